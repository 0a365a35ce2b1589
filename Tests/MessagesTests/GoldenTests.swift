import Messages
import Testing

/// Bytes of Google's own protobuf, to be read and to be written exactly.
///
/// Made by `protoc -I Protos --encode=rectifid.v1.PersonalizeRequest Protos/rectifid/v1/personalization.proto` from the
/// text format of the value below.
@Suite struct GoldenTests {
    private static let bytes: [UInt8] = parse(
        """
        0a110a03ffd8ff180322086120746561706f740a0f120d323032342f30362f612e706e67121b6120746561706f7420696e20746865
        20736e6f772c20636166c3a91a06626c7572727922047364313528ffffffffffffffffff01308004388006400248005500000\
        03f5a0c1a0a0a080000803e000080bf65000040406802750000403f7a0608011050180280010588010a920139120e0a020102\
        12080000803f000000c0120e0a0201021208000000000000003f300742110a046c6f616411000000000000f83f180248035001
        a00102a80100b00102b80105c5010000003d
        """)

    private static func parse(_ text: String) -> [UInt8] {
        let digits = text.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    private static func value() throws -> PersonalizeRequest {
        var request = PersonalizeRequest(
            references: [
                Reference(picture: .image([0xFF, 0xD8, 0xFF]), subject: .object, label: "a teapot"),
                Reference(picture: .key("2024/06/a.png")),
            ],
            prompt: "a teapot in the snow, café")
        request.negativePrompt = "blurry"
        request.modelID = "sd15"
        request.seed = .max
        (request.width, request.height, request.steps, request.iterations) = (512, 768, 2, 0)
        request.rate = 0.5
        request.gain = .perStep([0.25, -1])
        request.cfgScale = 3
        request.flow = .rectified
        request.stopAtSimilarity = 0.75
        (request.gradientDepth, request.jacobianDepth, request.cfgGradient) = (2, 0, .conditional)
        (request.plateauPatience, request.plateauTolerance) = (5, 0.03125)
        request.output = .jpeg(quality: 80, chroma: .full)
        request.progressInterval = 5
        request.previewInterval = 10
        request.resume = ResumeState(
            nextIteration: 0,
            offsets: [
                try WireTensor(shape: [1, 2], values: [1, -2]), try WireTensor(shape: [1, 2], values: [0, 0.5]),
            ],
            losses: [], similarities: [], seed: 7, modelHash: "",
            timings: [Timing(phase: "load", seconds: 1.5, count: 2)], nextSequence: 3, interruptions: 1)
        return request
    }

    @Test func whatProtocEncodesIsRead() throws {
        #expect(try PersonalizeRequest.decode(Self.bytes) == Self.value())
    }

    @Test func whatIsWrittenDiffersFromProtocInStatedDefaultsOnly() throws {
        // The second reference leaves its subject unset above; written, it says PERSON (field 3, 2 bytes more).
        var expected = Self.bytes
        expected.replaceSubrange(19..<36, with: [0x0A, 0x11] + expected[21..<36] + [0x18, 0x01])
        #expect(try Self.value().encode() == expected)
    }
}
