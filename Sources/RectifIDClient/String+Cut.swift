extension String {
    /// The longest beginning of at most `count` bytes of UTF-8, with an ellipsis where something is left out.
    package func cut(toBytes count: Int) -> String {
        guard utf8.count > count else { return self }
        var text = ""
        var bytes = 3
        for character in self {
            bytes += character.utf8.count
            guard bytes <= count else { break }
            text.append(character)
        }
        return text + "…"
    }
}
