import Tensors

/// A picture as a detector sees it: bytes, shrunk or enlarged to fit a square, in its upper left corner.
///
/// Reproduces, number for number, what the published pipelines do to a picture, since a threshold or a maximum decides
/// what is found: truncation to bytes, bilinear sampling in float32 with half-pixel centres and no anti-aliasing, rounding
/// to whole numbers (halves to even), and zeros around it before normalisation.
struct Letterbox {
    /// `[1, size, size, 3]`, (byte - 127.5) / 128.
    let input: Tensor
    /// Pixels of the input per pixel of the picture.
    let factor: Float

    /// - Parameter picture: `[1, H, W, 3]` in 0...1.
    init(_ picture: Tensor, size: Int) throws(TensorError) {
        let (height, width) = (picture.shape[1], picture.shape[2])
        let aspect = Double(height) / Double(width)
        // Very long pictures would vanish.
        let fitted =
            height > width
            ? (height: size, width: max(1, Int(Double(size) / aspect)))
            : (height: max(1, Int(Double(size) * aspect)), width: size)
        factor = Float(Double(fitted.height) / Double(height))
        let bytes = picture.elements.map { ($0 * 255).rounded(.towardZero) }
        let columns = Letterbox.taps(width, fitted.width)
        let rows = Letterbox.taps(height, fitted.height)
        var wide = [Float](repeating: 0, count: height * fitted.width * 3)
        for y in 0..<height {
            for (x, tap) in columns.enumerated() {
                for c in 0..<3 {
                    let left = bytes[(y * width + tap.first) * 3 + c], right = bytes[(y * width + tap.second) * 3 + c]
                    wide[(y * fitted.width + x) * 3 + c] = left * (1 - tap.fraction) + right * tap.fraction
                }
            }
        }
        let black: Float = (0 - 127.5) / 128
        var canvas = [Float](repeating: black, count: size * size * 3)
        let row = fitted.width * 3
        for (y, tap) in rows.enumerated() {
            for x in 0..<row {
                let upper = wide[tap.first * row + x], lower = wide[tap.second * row + x]
                let value = (upper * (1 - tap.fraction) + lower * tap.fraction).rounded(.toNearestOrEven)
                canvas[y * size * 3 + x] = (value - 127.5) / 128
            }
        }
        input = try Tensor(canvas, shape: Shape([1, size, size, 3]))
    }

    private static func taps(_ count: Int, _ into: Int) -> [(first: Int, second: Int, fraction: Float)] {
        let ratio = Float(Double(count) / Double(into))
        return (0..<into).map { index in
            let place = min(max((Float(index) + 0.5) * ratio - 0.5, 0), Float(count - 1))
            let first = Int(place)
            return (first, min(first + 1, count - 1), place - Float(first))
        }
    }
}
