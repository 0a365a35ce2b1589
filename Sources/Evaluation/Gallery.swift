/// Features of known people, compared with that of a picture.
struct Gallery: Sendable, Hashable {
    private let directions: [[Float]]

    /// - Parameter features: One per person, of equal lengths.
    init(_ features: [[Float]]) { directions = features.map(Gallery.direction) }

    /// The cosine with each person, in their order.
    func cosines(with feature: [Float]) -> [Float] {
        let direction = Gallery.direction(of: feature)
        return directions.map { zip($0, direction).reduce(0) { $0 + $1.0 * $1.1 } }
    }

    /// The person most alike; the first of equals.
    static func choice(among cosines: [Float]) -> Int? {
        cosines.indices.max { (cosines[$0], -$0) < (cosines[$1], -$1) }
    }

    private static func direction(of feature: [Float]) -> [Float] {
        let length = feature.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return length > 0 ? feature.map { $0 / length } : feature
    }
}
