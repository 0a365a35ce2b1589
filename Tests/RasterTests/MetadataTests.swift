import Raster
import Testing

@Suite struct MetadataTests {
    static let texts: PictureMetadata = [
        "Software": "rectifid",
        "prompt": "a portrait of \"Zoë\", 漢字 🙂\nsecond line\r\nC:\\new\\r",
        "seed": "18446744073709551615",
        "negative prompt": "",
        "gain": "0.5=0.5",
    ]

    @Test(arguments: [PictureEncoding.jpeg(), .jpeg(JPEGOptions(isProgressive: true)), .png])
    func textsComeBackAsTheyWereWritten(encoding: PictureEncoding) throws {
        let picture = try drawnPicture(width: 16, height: 16)
        let bytes = try picture.encode(encoding, metadata: Self.texts)
        #expect(try PictureMetadata.read(bytes) == Self.texts)
        #expect(try Picture.decode(bytes).width == 16)
    }

    @Test(arguments: [PictureEncoding.jpeg(), .png])
    func aPictureWithoutTextsHasNone(encoding: PictureEncoding) throws {
        let bytes = try drawnPicture(width: 16, height: 16).encode(encoding)
        #expect(try PictureMetadata.read(bytes) == [:])
    }

    @Test func commentsOfOtherProgramsAreReadWhole() throws {
        var bytes = try drawnPicture(width: 16, height: 16).encode(.jpeg())
        let comment = Array("Made with care\na=b".utf8)
        bytes.insert(contentsOf: [0xFF, 0xFE, 0, UInt8(comment.count + 2)] + comment, at: 2)
        #expect(try PictureMetadata.read(bytes) == ["Comment": "Made with care\na=b"])
        #expect(try Picture.decode(bytes).width == 16)
    }

    @Test func keysAndTextsThatAFileCannotHoldAreRefused() throws {
        let picture = try drawnPicture(width: 8, height: 8)
        let long = String(repeating: "a", count: 80)
        let refused: [PictureMetadata] = [
            ["": "a"], [long: "a"], ["a=b": "a"], [" a": "a"], ["a ": "a"], ["a  b": "a"], ["é": "a"], ["a\n": "a"],
            ["a": "a\0b"], ["a": String(repeating: "a", count: 70_000)],
        ]
        for metadata in refused {
            for encoding in [PictureEncoding.jpeg(), .png] {
                let error = #expect(throws: PictureError.self) { try picture.encode(encoding, metadata: metadata) }
                #expect(error?.kind == .invalidArgument)
            }
        }
        let largest: PictureMetadata = ["a": String(repeating: "a", count: 65_531)]
        #expect(try PictureMetadata.read(picture.encode(.jpeg(), metadata: largest)) == largest)
    }

    @Test func valuesAreReachedByKey() {
        var metadata: PictureMetadata = ["a": "1", "b": "2"]
        metadata["a"] = "3"
        metadata["c"] = "4"
        metadata["b"] = nil
        #expect(metadata == ["a": "3", "c": "4"])
        #expect(metadata["a"] == "3")
        #expect(metadata["b"] == nil)
    }
}
