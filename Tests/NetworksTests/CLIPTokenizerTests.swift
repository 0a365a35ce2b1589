import Checkpoints
import Networks
import TestSupport
import Testing

@Suite struct CLIPTokenizerTests {
    struct Case: Decodable, CustomTestStringConvertible {
        let text: String
        let ids: [Int]

        var testDescription: String { text }
    }

    private func tokenizer(_ path: String = "sd15/tokenizer") throws -> CLIPTokenizer {
        try CLIPTokenizer(folder: Golden.path("parity/models/\(path)"))
    }

    @Test(arguments: ["parity/modules/tokenizer.json", "made/modules/tokenizer.json"])
    func idsAreThoseOfTheTransformersLibrary(file: String) throws {
        let tokenizer = try tokenizer()
        let cases = try Golden.json([Case].self, file)
        #expect(cases.count >= 12)
        for item in cases { #expect(tokenizer.encode(item.text) == item.ids, "\(item.text.debugDescription)") }
    }

    @Test(arguments: ["sd15_person", "sd15_6steps_wide", "sd21_person", "sdxl_person"])
    func promptsOfTheReferenceCasesGetTheirIds(name: String) throws {
        struct Parameters: Decodable {
            let model, prompt, negative: String
        }
        let parameters = try Golden.json(Parameters.self, "parity/cases/\(name)/params.json")
        let trace = try Golden.tensors("parity/cases/\(name)/trace.safetensors")
        let first = try tokenizer("\(parameters.model)/tokenizer")
        #expect(first.encode(parameters.prompt) == (try trace.integers("prompt_ids")))
        #expect(first.encode(parameters.negative) == (try trace.integers("negative_ids")))
        if trace.contains("prompt_ids_2") {
            let second = try tokenizer("\(parameters.model)/tokenizer_2")
            #expect(second.encode(parameters.prompt) == (try trace.integers("prompt_ids_2")))
        }
    }

    @Test func paddingIsWhatTheConfigurationSays() throws {
        let padsWithEnd = try tokenizer("sd15/tokenizer").encode("dog")
        let padsWithMark = try tokenizer("sd21/tokenizer").encode("dog")
        #expect(padsWithEnd.count == 77 && padsWithMark.count == 77)
        #expect(padsWithEnd.suffix(70) == ArraySlice([Int](repeating: 629, count: 70)))
        #expect(padsWithMark.suffix(70) == ArraySlice([Int](repeating: 0, count: 70)))
    }

    @Test func composedAndDecomposedTextAreTheSame() throws {
        let tokenizer = try tokenizer()
        #expect(tokenizer.encode("cafe\u{301}") == tokenizer.encode("caf\u{E9}"))
        #expect(tokenizer.encode("A\u{A0}DOG \n\t ") == tokenizer.encode("a dog"))
        // A capital sigma never becomes the final sigma of a word.
        #expect(tokenizer.encode("ΟΔΟΣ") == tokenizer.encode("οδοσ"))
        #expect(tokenizer.encode("οδος") != tokenizer.encode("οδοσ"))
    }

    @Test func hostileTextsOfAnyLengthTakeTheirSeventySevenIds() throws {
        let tokenizer = try tokenizer()
        let texts = [
            String(repeating: "x", count: 300_000), String(repeating: "'s", count: 200_000),
            String(repeating: "<|endoftext|>", count: 20_000), String(repeating: "\u{301}", count: 100_000),
            String(repeating: " ", count: 500_000), "\u{0}\u{FFFF}\u{10FFFF}", String(repeating: "👩‍👩‍👧‍👦", count: 5000),
        ]
        for text in texts {
            let ids = tokenizer.encode(text)
            #expect(ids.count == 77 && ids.first == 628 && ids.contains(629))
        }
    }

    @Test func mergesThatDoNotFitTheVocabularyAreRefused() throws {
        let error = #expect(throws: CheckpointError.self) {
            try CLIPTokenizer(folder: Golden.path("parity/models/sd15/unet"))
        }
        #expect(error?.kind == .unreadable)
    }
}
