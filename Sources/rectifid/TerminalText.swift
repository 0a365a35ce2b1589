/// Text of strangers on its way to a terminal.
extension String {
    /// With escapes instead of everything that a terminal may act upon: control characters of both ranges, marks that turn
    /// the writing direction, line breaks.
    var escapedForTerminal: String {
        guard unicodeScalars.contains(where: \.isActedUpon) else { return self }
        var text = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\n": text += "\\n"
            case "\t": text += "\\t"
            case _ where scalar.isActedUpon: text += "\\u{\(String(scalar.value, radix: 16))}"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    /// The first characters, with an ellipsis where some are left out.
    func cut(to count: Int) -> String { self.count > count ? prefix(count - 1) + "…" : self }

    /// Fills up with spaces to a width: on the right, or on the left where the width is negative.
    func padded(to width: Int) -> String {
        let spaces = String(repeating: " ", count: max(abs(width) - count, 0))
        return width < 0 ? spaces + self : self + spaces
    }

    /// A JSON text with escapes for what a terminal may act upon; JSON itself asks for those below U+0020 only.
    var escapedJSON: String {
        guard unicodeScalars.contains(where: \.isActedUpon) else { return self }
        var text = ""
        for scalar in unicodeScalars {
            guard scalar.isActedUpon else {
                text.unicodeScalars.append(scalar)
                continue
            }
            for unit in String(scalar).utf16 {
                let digits = String(unit, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        return text
    }
}

extension Unicode.Scalar {
    fileprivate var isActedUpon: Bool {
        if isASCII { return value < 0x20 || value == 0x7F }
        switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator, .surrogate: return true
        // Joiners are part of scripts and emoji.
        case .format: return value != 0x200C && value != 0x200D
        default: return false
        }
    }
}
