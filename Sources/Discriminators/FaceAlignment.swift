public import Tensors

/// The similarity that takes a face's landmarks nearest to where the recogniser was trained to have them.
///
/// Umeyama 1991 (doi 10.1109/34.88573). In two dimensions the best rotation needs no singular value decomposition: with
/// A = mean of (template - its mean)(point - their mean)^T, the trace of R^T A is largest for the angle
/// atan2(A21 - A12, A11 + A22), where it is the length of that vector; never a reflection, also where det A <= 0.
public struct FaceAlignment: Sendable, Hashable {
    /// Template to picture, from pixels of the crop to positions in the picture: what a warp samples at.
    public let map: AffineMap
    /// Picture to template: (x, y) to (a x + b y + c, d x + e y + f).
    public let forward: AffineMap

    /// Eyes, nose and corners of the mouth in a crop of 112 pixels.
    static let template: [(x: Double, y: Double)] = [
        (38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041),
    ]

    /// Aligns five landmarks with a crop of `size` pixels: a multiple of 112, or of 128 with a wider border.
    ///
    /// - Throws: ``DiscriminatorError/degenerateLandmarks`` where the landmarks coincide or are not finite.
    public init(points: [Face.Point], size: Int = 112) throws(DiscriminatorError) {
        let isWide = size % 112 != 0
        let unit = Double(size) / (isWide ? 128 : 112)
        let target = FaceAlignment.template.map { (x: ($0.x + (isWide ? 8 : 0)) * unit, y: $0.y * unit) }
        guard points.count == target.count else { throw .degenerateLandmarks }
        let source = points.map { (x: Double($0.x), y: Double($0.y)) }
        let (from, to) = (FaceAlignment.mean(source), FaceAlignment.mean(target))
        var (a11, a12, a21, a22, variance) = (0.0, 0.0, 0.0, 0.0, 0.0)
        for (p, q) in zip(source, target) {
            let (px, py, qx, qy) = (p.x - from.x, p.y - from.y, q.x - to.x, q.y - to.y)
            a11 += qx * px
            a12 += qx * py
            a21 += qy * px
            a22 += qy * py
            variance += px * px + py * py
        }
        // Scale times cosine and sine of the angle.
        let (c, s) = ((a11 + a22) / variance, (a21 - a12) / variance)
        let square = c * c + s * s
        // A face much smaller than a pixel, or landmarks whose fit is as good turned any other way.
        guard variance.isFinite, variance > 1e-6, square.isFinite, square > 1e-12 else { throw .degenerateLandmarks }
        let (tx, ty) = (to.x - (c * from.x - s * from.y), to.y - (s * from.x + c * from.y))
        forward = AffineMap(c, -s, tx, s, c, ty)
        let (ic, is_) = (c / square, s / square)
        map = AffineMap(ic, is_, -(ic * tx + is_ * ty), -is_, ic, is_ * tx - ic * ty)
    }

    private static func mean(_ points: [(x: Double, y: Double)]) -> (x: Double, y: Double) {
        let count = Double(points.count)
        return (points.reduce(0) { $0 + $1.x } / count, points.reduce(0) { $0 + $1.y } / count)
    }
}
