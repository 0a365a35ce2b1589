/// The pattern of a binding to a topic exchange: words separated by dots, `*` for one word, `#` for any number of words.
struct TopicPattern {
    private let words: [Substring]

    init(_ text: String) { words = text.split(separator: ".", omittingEmptySubsequences: false) }

    func matches(_ routingKey: String) -> Bool {
        let key = routingKey.split(separator: ".", omittingEmptySubsequences: false)
        // reachable[j]: the pattern read so far matches the first j words of the key.
        var reachable = [true] + Array(repeating: false, count: key.count)
        for word in words {
            var next = Array(repeating: false, count: key.count + 1)
            if word == "#" {
                var isReached = false
                for index in reachable.indices {
                    isReached = isReached || reachable[index]
                    next[index] = isReached
                }
            } else {
                for index in key.indices where reachable[index] && (word == "*" || word == key[index]) {
                    next[index + 1] = true
                }
            }
            reachable = next
        }
        return reachable[key.count]
    }
}
