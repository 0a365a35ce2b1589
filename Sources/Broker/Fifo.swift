/// A first-in, first-out queue with constant-time operations at both ends it uses.
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

    @discardableResult
    mutating func removeFirst() -> Element? {
        guard head < storage.count else { return nil }
        defer {
            storage[head] = nil
            head += 1
            // Half empty: give the room back, at constant cost per element.
            if head == storage.count || (head >= 64 && head * 2 >= storage.count) {
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
