import Flow
import Tensors
import Testing

@Suite("Initial noise")
struct NoiseTests {
    struct Draw {
        let seed: UInt64
        let count: Int
        let numbers: [Int: Float]
    }

    // python3 -c "import torch; print(torch.randn(COUNT, generator=torch.Generator().manual_seed(SEED)))"
    static let draws = [
        Draw(seed: 1, count: 2, numbers: [0: 0.66135216, 1: 0.26692411]),
        Draw(
            seed: 123_456_789, count: 14,
            numbers: [0: 0.11027837, 1: 2.2007697, 7: 0.66819441, 9: 1.700183, 13: 0.79708368]),
        Draw(
            seed: .max, count: 15,
            numbers: [0: 1.219763, 1: -0.39297947, 7: -0.67662263, 9: 0.19176367, 14: 0.61286891]),
        Draw(
            seed: 3, count: 31,
            numbers: [0: -0.076644294, 1: 0.35988152, 9: -0.30597571, 14: 0.57398468, 15: -1.8053645, 30: 0.65891391]),
        Draw(
            seed: 2024, count: 48,
            numbers: [
                0: -1.2262355, 1: -0.0093148192, 9: -1.8864782, 24: 0.84318376, 31: 0.63433582, 32: 2.7265601,
                47: -0.24025273,
            ]),
        Draw(
            seed: 42, count: 16384,
            numbers: [
                0: 1.9269153, 1: 1.4872841, 9: 1.648723, 8192: -0.79778224, 16367: 0.67003947, 16368: 1.2413977,
                16383: -0.2934061,
            ]),
        Draw(
            seed: 7, count: 16387,
            numbers: [
                0: -0.82013452, 1: 0.39563116, 9: -0.53551221, 8193: -0.84465557, 16370: -0.11039526,
                16371: -0.73473841,
                16386: 0.9874416,
            ]),
    ]

    @Test("Numbers are PyTorch's, below and above sixteen, whole blocks or not", arguments: draws.indices)
    func publishedDraws(index: Int) {
        let draw = Self.draws[index]
        var generator = TorchGenerator(seed: draw.seed)
        let numbers = generator.normals(draw.count)
        #expect(numbers.count == draw.count)
        for (place, number) in draw.numbers { #expect(abs(numbers[place] - number) <= 1e-6) }
    }

    /// A name is SEED:SHAPE, or SEED:A+B for draws of A and B numbers from one generator.
    @Test("Every recorded draw is reproduced in all its numbers", arguments: ["parity", "made"])
    func recordedDraws(folder: String) throws {
        let file = try TensorFile("\(folder)/modules/randn.safetensors")
        #expect(file.tensors.count >= 4)
        for (name, recorded) in file.tensors {
            let parts = name.split(separator: ":")
            let seed = try #require(parts.first.flatMap { UInt64($0) })
            let draws = parts[1].contains("+") ? parts[1].split(separator: "+").compactMap { Int($0) } : []
            var generator = TorchGenerator(seed: seed)
            let numbers = (draws.isEmpty ? [recorded.elements.count] : draws).flatMap { generator.normals($0) }
            let worst = zip(numbers, recorded.elements).map { abs($0 - $1) }.max() ?? .infinity
            #expect(numbers.count == recorded.elements.count && worst <= 1e-6, "\(name)")
        }
    }

    @Test("A spare number outlives a draw of whole blocks, as in PyTorch's generator object")
    func spare() {
        // g = torch.Generator().manual_seed(5); torch.randn(3, generator=g); torch.randn(17, generator=g); ...
        var generator = TorchGenerator(seed: 5)
        #expect(close(generator.normals(3), [-0.48678076, -0.60382158, -0.55809623], 1e-6))
        let blocks = generator.normals(17)
        #expect(close([blocks[0], blocks[16]], [0.25825164, -0.14789359], 1e-6))
        #expect(close(generator.normals(2), [0.66752428, 1.3790466], 1e-6))
    }

    @Test("Of a 64-bit seed the engine sees the lower half")
    func wideSeeds() {
        var narrow = TorchGenerator(seed: 5)
        var wide = TorchGenerator(seed: 1 << 32 | 5)
        #expect((0..<1000).allSatisfy { _ in narrow.nextUInt32() == wide.nextUInt32() })
    }

    @Test("A latent holds PyTorch's NCHW numbers with channels innermost")
    func layout() throws {
        let file = try TensorFile("parity/modules/randn.safetensors")
        let recorded = try #require(file.tensors["42:1x4x8x8"]).elements
        let latent = try InitialNoise.latent(seed: 42, height: 8, width: 8)
        #expect(latent.shape == [1, 8, 8, 4])
        let elements = latent.elements
        for channel in 0..<4 {
            for cell in 0..<64 {
                #expect(abs(elements[cell * 4 + channel] - recorded[channel * 64 + cell]) <= 1e-6)
            }
        }
    }

    @Test(
        "Latents of impossible sizes are refused", arguments: [(0, 8), (-1, 8), (1 << 40, 1 << 40), (1 << 20, 1 << 20)])
    func sizes(height: Int, width: Int) {
        #expect(throws: TensorError.self) { try InitialNoise.latent(seed: 0, height: height, width: width) }
    }
}
