import Discriminators
import Tensors
import TestSupport
import Testing

@Suite struct FaceAlignmentTests {
    struct Known: Decodable {
        var name: String
        var points: [[Double]]
        var matrix: [[Double]]
    }

    @Test func `Similarities are those of Umeyama's formula, lines and mirrored faces included`() throws {
        let all = try Golden.json([Known].self, "made/modules/alignments.json")
        #expect(all.count >= 9)
        for known in all {
            let alignment = try FaceAlignment(points: known.points.map { Face.Point(x: Float($0[0]), y: Float($0[1])) })
            let found = alignment.forward
            for (number, expected) in zip(
                [found.a, found.b, found.c, found.d, found.e, found.f], known.matrix.flatMap { $0 })
            {
                #expect(abs(number - expected) <= 1e-5 * max(1, abs(expected)), "\(known.name)")
            }
        }
    }

    @Test func `The map is the inverse of the similarity`() throws {
        let points = [(10, 12), (31, 9), (22, 25), (14, 33), (30, 31)].map { Face.Point(x: $0.0, y: $0.1) }
        let alignment = try FaceAlignment(points: points)
        let (m, f) = (alignment.map, alignment.forward)
        for (x, y) in [(0.0, 0.0), (111.0, 0.0), (40.0, 90.0)] {
            let (px, py) = (m.a * x + m.b * y + m.c, m.d * x + m.e * y + m.f)
            #expect(abs(f.a * px + f.b * py + f.c - x) < 1e-9)
            #expect(abs(f.d * px + f.e * py + f.f - y) < 1e-9)
        }
    }

    @Test func `Crops of other sizes scale the template, those of 128 with a border`() throws {
        let points = [(10, 12), (31, 9), (22, 25), (14, 33), (30, 31)].map { Face.Point(x: $0.0, y: $0.1) }
        let small = try FaceAlignment(points: points).forward
        let large = try FaceAlignment(points: points, size: 224).forward
        #expect(abs(large.a - 2 * small.a) < 1e-12)
        #expect(abs(large.f - 2 * small.f) < 1e-12)
        let bordered = try FaceAlignment(points: points, size: 128).forward
        #expect(abs(bordered.a - small.a) < 1e-12)
        #expect(abs(bordered.c - small.c - 8) < 1e-12)
    }

    @Test(arguments: [
        [Face.Point](repeating: Face.Point(x: 3, y: 4), count: 5),
        [Face.Point](repeating: Face.Point(x: .nan, y: 4), count: 5),
        [Face.Point](repeating: Face.Point(x: .infinity, y: 4), count: 5),
        [Face.Point(x: 0, y: 0), Face.Point(x: 1, y: 1)],
        [],
    ])
    func `Landmarks that say nothing are an error`(points: [Face.Point]) {
        #expect(throws: DiscriminatorError.degenerateLandmarks) { try FaceAlignment(points: points) }
    }
}
