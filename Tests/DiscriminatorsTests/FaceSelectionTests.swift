@testable import Discriminators
import TestSupport
import Testing

@Suite struct FaceSelectionTests {
    struct Known: Decodable {
        var boxes: [[Float]]
        var scores: [Float]
        var threshold: Double
        var size: [Int]
        var kept: [Int]
        var prominent: [[Int]]
    }

    private func faces(_ known: Known) -> [Face] {
        zip(known.boxes, known.scores).map {
            Face(x1: $0[0], y1: $0[1], x2: $0[2], y2: $0[3], score: $1, points: [])
        }
    }

    @Test func `Suppression keeps what the reference keeps, in its order`() throws {
        let all = try Golden.json([Known].self, "made/modules/suppressions.json")
        #expect(all.contains { $0.kept.count > 50 })
        for known in all {
            let faces = faces(known)
            let kept = faces.suppressed(threshold: Float(known.threshold))
            #expect(kept == known.kept.map { faces[$0] })
            for leading in known.prominent {
                let found = kept.prominent(leading.count, width: known.size[1], height: known.size[0])
                #expect(found == leading.map { faces[$0] })
            }
        }
    }

    @Test func `Boxes that share just two fifths both stay`() {
        // 10 x 10 pixels each, counted with both borders; 80 shared of 120 is too much, 50 of 150 is not.
        func box(_ x: Float, _ score: Float) -> Face { Face(x1: x, y1: 0, x2: x + 9, y2: 9, score: score, points: []) }
        #expect([box(0, 0.9), box(2, 0.8)].suppressed(threshold: 0).count == 1)
        #expect([box(0, 0.9), box(5, 0.8)].suppressed(threshold: 0).count == 2)
        // Intersection 4 x 10 of 14 x 10 and 10 x 10 less 40: exactly 0.2; with 0.2 allowed it stays.
        let wide = Face(x1: 0, y1: 0, x2: 13, y2: 9, score: 0.5, points: [])
        #expect([box(10, 0.9), wide].suppressed(threshold: 0, overlap: 0.2).count == 2)
        #expect([box(10, 0.9), wide].suppressed(threshold: 0, overlap: 0.19).count == 1)
    }

    @Test func `Scores that are no numbers are never faces`() {
        let face = Face(x1: 0, y1: 0, x2: 9, y2: 9, score: .nan, points: [])
        #expect([face].suppressed(threshold: 0).isEmpty)
    }

    @Test func `The assignment has the largest sum even where the greedy one has not`() {
        // Greedy would take 0.9 and be left with 0.0.
        #expect(Assignment(maximizing: [[0.9, 0.8], [0.7, 0.0]]).columns == [1, 0])
        #expect(Assignment(maximizing: [[0.3]]).columns == [0])
        let scores: [[Float]] = [[0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]]
        #expect(Assignment(maximizing: scores).columns == [3, 2, 1, 0])
        #expect(Assignment(maximizing: scores).total == 4)
        #expect(Assignment(maximizing: [[.nan, .nan], [.nan, .nan]]).columns == [0, 1])
    }
}
