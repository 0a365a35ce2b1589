public import Checkpoints
import Foundation

/// Text to token ids, as CLIP was trained: lower case, byte pair encoding, a begin and an end token, padding.
///
/// Gives the ids of the transformers library's fast `CLIPTokenizer`.
public struct CLIPTokenizer: Sendable {
    /// Ids of a whole sequence, begin and end token included: 77 for Stable Diffusion.
    public let length: Int
    public let beginToken: Int
    public let endToken: Int
    /// Fills a sequence up after its end token: the end token itself, or `!` in some models.
    public let padToken: Int
    private let unknownToken: Int
    private let vocabulary: BytePairVocabulary

    /// Reads `vocab.json`, `merges.txt` and `tokenizer_config.json` of a folder.
    ///
    /// - Throws: ``CheckpointError`` where one is missing or they contradict each other.
    public init(folder path: String) throws(CheckpointError) {
        let folder = URL(fileURLWithPath: path)
        let vocabularyPath = folder.appendingPathComponent("vocab.json").path
        let mergesPath = folder.appendingPathComponent("merges.txt").path
        let ids = try JSONFile.decode([String: Int].self, at: vocabularyPath)
        guard let merges = String(data: try JSONFile.read(mergesPath), encoding: .utf8) else {
            throw CheckpointError(.malformed, file: mergesPath, "is not UTF-8 text")
        }
        vocabulary = try BytePairVocabulary(ids: ids, merges: merges, file: mergesPath)
        let configuration = try JSONFile.decode(
            Configuration.self, at: folder.appendingPathComponent("tokenizer_config.json").path)
        func id(_ token: String) throws(CheckpointError) -> Int {
            guard let id = ids[token], id >= 0 else {
                throw CheckpointError(.missing, file: vocabularyPath, "has no token \(token.debugDescription)")
            }
            return id
        }
        length = configuration.length
        beginToken = try id(configuration.begin)
        endToken = try id(configuration.end)
        padToken = try id(configuration.pad)
        unknownToken = try id(configuration.unknown)
        special = [(configuration.begin, beginToken), (configuration.end, endToken)]
    }

    /// Tokens that are recognised where the text spells them out.
    private let special: [(text: String, id: Int)]

    /// The ids of a text: begin token, at most `length - 2` ids of the text, end token, padding; `length` in all.
    public func encode(_ text: String) -> [Int] {
        let room = length - 2
        var ids: [Int] = []
        // Words come one at a time, so that a text of any length costs no more than what fits.
        for part in parts(of: text) {
            switch part {
            case .token(let id): ids.append(id)
            case .text(let text):
                var words = WordPattern(text)
                while ids.count < room, let word = words.next() {
                    ids += vocabulary.encode(word, unknown: unknownToken)
                }
            }
            if ids.count >= room { break }
        }
        let padding = [Int](repeating: padToken, count: max(0, room - ids.count))
        return [beginToken] + ids.prefix(room) + [endToken] + padding
    }

    private enum Part {
        case token(Int)
        case text(Substring)
    }

    /// Cuts the text at special tokens, which must be spelled exactly.
    private func parts(of text: String) -> [Part] {
        var parts: [Part] = []
        var rest = text[...]
        while let (range, id) = firstSpecial(in: rest), parts.count < 2 * length {
            parts.append(.text(rest[..<range.lowerBound]))
            parts.append(.token(id))
            rest = rest[range.upperBound...]
        }
        parts.append(.text(rest))
        return parts
    }

    private func firstSpecial(in text: Substring) -> (Range<Substring.Index>, Int)? {
        special.compactMap { token in
            text.range(of: token.text, options: .literal).map { ($0, token.id) }
        }.min { $0.0.lowerBound < $1.0.lowerBound }
    }

    /// `tokenizer_config.json`.
    private struct Configuration: Decodable {
        let begin, end, pad, unknown: String
        let length: Int

        enum CodingKeys: String, CodingKey {
            case begin = "bos_token"
            case end = "eos_token"
            case pad = "pad_token"
            case unknown = "unk_token"
            case length = "model_max_length"
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            begin = try container.value(.begin, or: Token("<|startoftext|>")).text
            end = try container.value(.end, or: Token("<|endoftext|>")).text
            pad = try container.value(.pad, or: Token("<|endoftext|>")).text
            unknown = try container.value(.unknown, or: Token("<|endoftext|>")).text
            // Some files say 10^30, for "no limit"; the text encoders have 77 positions.
            let stated = try container.value(.length, or: 77.0)
            length = stated > 2 && stated <= 4096 ? Int(stated) : 77
            try decoder.check.require(!begin.isEmpty && !end.isEmpty, "bos_token and eos_token must not be empty")
        }
    }

    /// A token, written as a string or as an object with its string as `content`.
    private struct Token: Decodable {
        let text: String

        private enum CodingKeys: String, CodingKey { case content }

        init(_ text: String) { self.text = text }

        init(from decoder: any Decoder) throws {
            if let text = try? decoder.singleValueContainer().decode(String.self) {
                self.text = text
            } else {
                text = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .content)
            }
        }
    }
}
