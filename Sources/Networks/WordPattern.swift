import Foundation

/// Cuts text into the words that byte pair encoding works on, after bringing it to the form that CLIP saw.
///
/// The form: composed (NFC), lower case scalar by scalar, spaces between words only. The words, each the first that
/// matches of: `<|startoftext|>` or `<|endoftext|>`; the English contractions 's 't 're 've 'm 'll 'd; a run of letters; one
/// digit or other number; a run of anything else but space. Written by hand because Swift's regular expressions match
/// graphemes by default and a sequence is wanted here, one word at a time.
struct WordPattern: Sequence, IteratorProtocol {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    /// Words that were found already: those in which one match has to be cut again.
    private var pending: [[UInt8]] = []

    private static let markers = ["<|startoftext|>", "<|endoftext|>"].map { Array($0.unicodeScalars) }
    private static let contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].map { Array($0.unicodeScalars) }

    init(_ text: some StringProtocol) {
        scalars = text.precomposedStringWithCanonicalMapping.unicodeScalars.flatMap {
            // Not String.lowercased(), which makes a capital sigma a final sigma at the end of a word.
            Array($0.properties.lowercaseMapping.unicodeScalars)
        }
    }

    /// UTF-8 of the next word.
    mutating func next() -> [UInt8]? {
        if let word = pending.popLast() { return word }
        while position < scalars.count, scalars[position].properties.isWhitespace { position += 1 }
        guard position < scalars.count else { return nil }
        if let marker = WordPattern.markers.first(where: matches) {
            // The byte-level pattern that comes after this one does not know the markers and cuts them in three.
            position += marker.count
            pending = [marker.suffix(2), marker.dropFirst(2).dropLast(2)].map { WordPattern.utf8($0) }
            return WordPattern.utf8(marker.prefix(2))
        }
        let start = position
        if let contraction = WordPattern.contractions.first(where: matches) {
            position += contraction.count
        } else {
            let kind = Kind(scalars[position])
            repeat {
                position += 1
            } while kind != .number && position < scalars.count && Kind(scalars[position]) == kind
        }
        return WordPattern.utf8(scalars[start..<position])
    }

    private func matches(_ pattern: [Unicode.Scalar]) -> Bool { scalars[position...].starts(with: pattern) }

    private static func utf8(_ scalars: ArraySlice<Unicode.Scalar>) -> [UInt8] {
        scalars.flatMap { Array(UTF8.encode($0) ?? .init()) }
    }

    /// What a run is made of.
    private enum Kind {
        case letter, number, space, other

        init(_ scalar: Unicode.Scalar) {
            switch scalar.properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: self = .letter
            case .decimalNumber, .letterNumber, .otherNumber: self = .number
            default: self = scalar.properties.isWhitespace ? .space : .other
            }
        }
    }
}
