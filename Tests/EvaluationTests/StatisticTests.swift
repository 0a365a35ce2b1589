import Testing

@testable import Evaluation

/// How figures of single pictures become those of a report.
@Suite struct StatisticTests {
    private func close(_ a: Double?, _ b: Double) -> Bool { a.map { abs($0 - b) < 1e-6 } ?? false }

    @Test func meansWorstAndTheSpreadOverSeeds() throws {
        let scores = [
            Samples.score("a.jpg", seed: 2, own: 0.9, judge: 0.5),
            Samples.score("a.jpg", seed: 1, own: 0.7, judge: 0.7),
            Samples.score("b.jpg", seed: 2, own: 0.8, judge: 0.2),
            Samples.score("b.jpg", seed: 1, own: 0.6, judge: 0.6),
        ]
        let judge = try #require(Figure.judge.statistic(of: scores))
        #expect(close(judge.mean, 0.5) && close(judge.worst, 0.2))
        #expect(judge.seeds.count == 2 && close(judge.seeds[0], 0.65) && close(judge.seeds[1], 0.35))
        #expect(close(judge.range.lowerBound, 0.35) && close(judge.range.upperBound, 0.65))
        // Of a gap, the worst is the largest.
        let gap = try #require(Figure.gap.statistic(of: scores))
        #expect(close(gap.mean, 0.25) && close(gap.worst, 0.6))
    }

    @Test func theWorstOfAShareIsAPersons() throws {
        let scores = [
            Samples.score("a.jpg", seed: 1, choice: "a.jpg"), Samples.score("a.jpg", seed: 2, choice: "a.jpg"),
            Samples.score("b.jpg", seed: 1, choice: "b.jpg"), Samples.score("b.jpg", seed: 2, choice: "a.jpg"),
        ]
        let share = try #require(Figure.firstChoice.statistic(of: scores))
        #expect(close(share.mean, 0.75) && close(share.worst, 0.5))
        #expect(share.seeds == [1, 0.5])
    }

    @Test func whatWasNotMeasuredHasNoFigure() {
        let scores = [Samples.score(judge: nil, choice: nil, read: [:])]
        for figure in [Figure.judge, .gap, .firstChoice, .asked("scene"), .kept("scene")] {
            #expect(figure.statistic(of: scores) == nil, "\(figure.name)")
        }
        #expect(Figure.own.statistic(of: scores) != nil)
    }

    @Test func aPictureWithoutAFaceCountsAsNobody() throws {
        let scores = [Samples.score(judge: 0.8), Samples.score(seed: 2, judge: 0, choice: nil)]
        #expect(close(Figure.judge.statistic(of: scores)?.mean, 0.4))
        #expect(close(Figure.face.statistic(of: scores)?.mean, 0.5))
        #expect(close(Figure.firstChoice.statistic(of: scores)?.mean, 0.5))
    }

    @Test func onlyWhatWasRightCanBeKept() {
        let unguided = ["scene": true, "hat": false, "expression": true]
        let guided = ["scene": true, "hat": true, "expression": false]
        #expect(PictureScore.kept(guided, of: unguided) == ["scene": true, "expression": false])
        #expect(
            PictureScore.compare(
                ["scene": "snow", "hat": "cap"], with: ["scene": "snow", "style": "plain"]) == ["scene": true])
    }

    @Test func theJudgeChoosesWhomThePictureIsMostLike() {
        let gallery = Gallery([[2, 0], [0, 3], [1, 1]])
        let cosines = gallery.cosines(with: [0.1, 5])
        #expect(Gallery.choice(among: cosines) == 1)
        #expect(abs(cosines[1] - 0.9998) < 1e-4 && abs(cosines[0] - 0.02) < 1e-3)
        #expect(gallery.cosines(with: [0, 0]) == [0, 0, 0])
        #expect(Gallery.choice(among: [0.5, 0.5]) == 0)
        #expect(Gallery.choice(among: []) == nil)
    }
}
