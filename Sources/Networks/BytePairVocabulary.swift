import Checkpoints

/// Subword units and the order in which pairs of them are merged (arXiv 1508.07909).
///
/// Symbols are ids throughout, so that a merge is one look-up of two numbers, and never compares text.
struct BytePairVocabulary: Sendable {
    /// Ids by text; every text ends with `</w>` where a word ends.
    let ids: [String: Int]
    private let merges: [Pair: Merge]
    /// Ids of single bytes within a word, and at its end; nil where the vocabulary lacks one.
    private let bytes, lastBytes: [Int?]

    private struct Pair: Hashable {
        var left, right: Int
    }

    private struct Merge {
        var rank, result: Int
    }

    /// - Parameters:
    ///   - ids: Content of `vocab.json`.
    ///   - merges: Content of `merges.txt`.
    /// - Throws: ``CheckpointError`` where a merge is not of two known symbols into a third.
    init(ids: [String: Int], merges text: String, file: String) throws(CheckpointError) {
        var merges: [Pair: Merge] = [:]
        for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            if line.isEmpty || number == 0 && line.hasPrefix("#version") { continue }
            let parts = line.split(separator: " ")
            guard parts.count == 2, let left = ids[String(parts[0])], let right = ids[String(parts[1])],
                let result = ids[String(parts[0] + parts[1])]
            else {
                throw CheckpointError(
                    .malformed, file: file, "line \(number + 1) does not merge two symbols of vocab.json into a third")
            }
            let pair = Pair(left: left, right: right)
            if merges[pair] == nil { merges[pair] = Merge(rank: merges.count, result: result) }
        }
        self.ids = ids
        self.merges = merges
        let alphabet = BytePairVocabulary.alphabet
        bytes = alphabet.map { ids[String(Character($0))] }
        lastBytes = alphabet.map { ids[String(Character($0)) + "</w>"] }
    }

    /// The printable stand-in for each byte (GPT-2): itself where it is printable Latin-1, the next unused scalar from
    /// U+0100 on otherwise, so that vocabularies are readable text.
    static let alphabet: [Unicode.Scalar] = {
        var spare: UInt32 = 0x100
        return (0...255).map { (byte: UInt8) in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(byte)
            default:
                defer { spare += 1 }
                return Unicode.Scalar(spare) ?? " "
            }
        }
    }()

    /// The ids of one word, given as the UTF-8 bytes of its text; `unknown` stands for a byte without an id.
    ///
    /// The pair of lowest rank is merged first, the leftmost of several, until none is left. Pairs wait in a heap and
    /// symbols are linked, so a word of n bytes takes n log n steps however hostile it is.
    func encode(_ word: some Collection<UInt8>, unknown: Int) -> [Int] {
        var symbols = word.map { bytes[Int($0)] ?? unknown }
        guard let last = word.reversed().first else { return [] }
        symbols[symbols.count - 1] = lastBytes[Int(last)] ?? unknown
        var next = Array(1...symbols.count), previous = Array(-1..<symbols.count - 1)
        var alive = [Bool](repeating: true, count: symbols.count)
        var heap = MergeHeap()

        func propose(_ left: Int) {
            guard left >= 0, next[left] < symbols.count else { return }
            let pair = Pair(left: symbols[left], right: symbols[next[left]])
            if let merge = merges[pair] {
                heap.push(.init(rank: merge.rank, place: left, left: pair.left, right: pair.right))
            }
        }
        for place in symbols.indices { propose(place) }
        while let candidate = heap.pop() {
            let place = candidate.place
            guard alive[place], next[place] < symbols.count, symbols[place] == candidate.left,
                symbols[next[place]] == candidate.right,
                let merge = merges[Pair(left: candidate.left, right: candidate.right)]
            else { continue }  // an earlier merge took one of the two
            let eaten = next[place]
            symbols[place] = merge.result
            alive[eaten] = false
            next[place] = next[eaten]
            if next[eaten] < symbols.count { previous[next[eaten]] = place }
            propose(previous[place])
            propose(place)
        }
        return symbols.indices.filter { alive[$0] }.map { symbols[$0] }
    }
}

/// Pairs that may be merged, lowest rank first, then leftmost: a binary heap.
private struct MergeHeap {
    struct Candidate {
        var rank, place, left, right: Int

        func precedes(_ other: Candidate) -> Bool { (rank, place) < (other.rank, other.place) }
    }

    private var items: [Candidate] = []

    mutating func push(_ candidate: Candidate) {
        items.append(candidate)
        var child = items.count - 1
        while child > 0, items[child].precedes(items[(child - 1) / 2]) {
            items.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func pop() -> Candidate? {
        guard let first = items.first, let last = items.popLast() else { return nil }
        guard !items.isEmpty else { return first }
        items[0] = last
        var parent = 0
        while true {
            let left = 2 * parent + 1, right = left + 1
            var least = parent
            if left < items.count, items[left].precedes(items[least]) { least = left }
            if right < items.count, items[right].precedes(items[least]) { least = right }
            if least == parent { return first }
            items.swapAt(parent, least)
            parent = least
        }
    }
}
