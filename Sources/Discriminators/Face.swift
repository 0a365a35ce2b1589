/// A face found in a picture; coordinates in pixels of the picture, and possibly outside of it.
public struct Face: Sendable, Hashable {
    public struct Point: Sendable, Hashable {
        public var x, y: Float

        public init(x: Float, y: Float) {
            self.x = x
            self.y = y
        }
    }

    /// Left, upper, right and lower border.
    public var x1, y1, x2, y2: Float
    /// How sure the detector is, 0...1.
    public var score: Float
    /// Left eye, right eye, nose, left and right corner of the mouth, as seen by the viewer.
    public var points: [Point]

    public init(x1: Float, y1: Float, x2: Float, y2: Float, score: Float, points: [Point]) {
        (self.x1, self.y1, self.x2, self.y2) = (x1, y1, x2, y2)
        self.score = score
        self.points = points
    }

    /// Area of intersection over area of union, each side counted with both its border pixels.
    func overlap(with other: Face) -> Float {
        let width = max(0, min(x2, other.x2) - max(x1, other.x1) + 1)
        let height = max(0, min(y2, other.y2) - max(y1, other.y1) + 1)
        let shared = width * height
        return shared / (grownArea + other.grownArea - shared)
    }

    private var grownArea: Float { (x2 - x1 + 1) * (y2 - y1 + 1) }

    /// Large and central faces lead: the area less twice the squared distance of the centre from the picture's.
    func prominence(width: Int, height: Int) -> Float {
        let dx = (x1 + x2) / 2 - Float(width) / 2
        let dy = (y1 + y2) / 2 - Float(height) / 2
        return (x2 - x1) * (y2 - y1) - 2 * (dx * dx + dy * dy)
    }
}

extension [Face] {
    /// Non-maximum suppression: by falling score, a face is kept unless it overlaps a better one too much.
    ///
    /// - Parameters:
    ///   - threshold: Least score.
    ///   - overlap: Largest intersection over union.
    func suppressed(threshold: Float, overlap: Float = 0.4) -> [Face] {
        // A stable sort: equal scores stay in the order of the anchors.
        let candidates = enumerated().filter { $0.element.score >= threshold }
            .sorted { ($0.element.score, $1.offset) > ($1.element.score, $0.offset) }
        var kept: [Face] = []
        for candidate in candidates where kept.allSatisfy({ candidate.element.overlap(with: $0) <= overlap }) {
            kept.append(candidate.element)
        }
        return kept
    }

    /// The `count` most prominent, most prominent first.
    func prominent(_ count: Int, width: Int, height: Int) -> [Face] {
        let ranked = enumerated().map { (index: $0.offset, rank: $0.element.prominence(width: width, height: height)) }
            .sorted { ($0.rank, $1.index) > ($1.rank, $0.index) }
        return ranked.prefix(count).map { self[$0.index] }
    }
}
