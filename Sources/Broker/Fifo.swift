/// A first-in, first-out queue; adding at either end and taking the first cost amortised constant time.
struct Fifo<Element> {
    private var storage: [Element?] = []
    private var head = 0

    init() {}

    init(_ elements: some Sequence<Element>) { storage = elements.map(Optional.some) }

    var isEmpty: Bool { head == storage.count }
    var count: Int { storage.count - head }

    /// The oldest element; setting it replaces it, and is ignored when there is none.
    var first: Element? {
        get { head < storage.count ? storage[head] : nil }
        set { if let newValue, head < storage.count { storage[head] = newValue } }
    }

    mutating func append(_ element: Element) { storage.append(element) }

    /// Adds an element that comes before all others.
    mutating func prepend(_ element: Element) {
        if head == 0 {
            // As much room as there are elements, so that making it costs a constant time for each that is added.
            let room = max(count, 16)
            storage = Array(repeating: nil, count: room) + storage
            head = room
        }
        head -= 1
        storage[head] = element
    }

    @discardableResult
    mutating func removeFirst() -> Element? {
        guard head < storage.count else { return nil }
        defer {
            storage[head] = nil
            head += 1
            // Three quarters empty: give the room back, at constant cost per element, and not what ``prepend(_:)`` has
            // just made.
            if head == storage.count || (head >= 64 && head / 3 >= storage.count - head) {
                storage.removeFirst(head)
                head = 0
            }
        }
        return storage[head]
    }

    /// The elements, oldest first.
    var all: [Element] { storage[head...].compactMap { $0 } }

    mutating func removeAll(where isUnwanted: (Element) -> Bool = { _ in true }) {
        storage = storage[head...].filter { $0.map { !isUnwanted($0) } ?? false }
        head = 0
    }
}

extension Fifo: Sendable where Element: Sendable {}
