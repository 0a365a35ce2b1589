/// A first-in, first-out list in one ring of memory: where as much leaves as comes, it takes no more room however long it
/// is used.
struct Ring<Element> {
    private var places: [Element?] = []
    private var head = 0
    private(set) var count = 0

    var first: Element? { count == 0 ? nil : places[head] }

    mutating func append(_ element: Element) {
        if count == places.count { resize(to: max(16, 2 * count)) }
        places[(head + count) % places.count] = element
        count += 1
    }

    @discardableResult
    mutating func removeFirst() -> Element? {
        guard count > 0 else { return nil }
        defer {
            places[head] = nil
            head = (head + 1) % places.count
            count -= 1
        }
        return places[head]
    }

    /// Keeps what is wanted in its order, and the room for as much again.
    mutating func removeAll(where isUnwanted: (Element) -> Bool) {
        let kept = all.filter { !isUnwanted($0) }
        places = kept
        (head, count) = (0, kept.count)
        resize(to: max(16, 2 * count))
    }

    /// Oldest first.
    var all: [Element] { (0..<count).compactMap { places[(head + $0) % places.count] } }

    private mutating func resize(to size: Int) {
        places = all.map(Optional.some) + Array(repeating: nil, count: size - count)
        head = 0
    }
}

extension Ring: Sendable where Element: Sendable {}
