/// A picture of 8-bit sRGB pixels.
public struct Picture: Sendable, Equatable {
    public let width: Int
    public let height: Int
    /// [height, width, 3], row-major, red first.
    public let pixels: [UInt8]

    /// - Throws: `PictureError` unless both sides are 1 to 65,535 and there are 3 bytes per pixel.
    public init(width: Int, height: Int, pixels: [UInt8]) throws(PictureError) {
        try Self.check(width: width, height: height)
        guard pixels.count == width * height * 3 else {
            throw PictureError(
                .invalidArgument, "\(pixels.count) bytes for \(width) x \(height) pixels",
                "give 3 bytes per pixel, \(width * height * 3)")
        }
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// A picture of one colour.
    ///
    /// - Throws: `PictureError` unless both sides are 1 to 65,535.
    public init(width: Int, height: Int, fill: (red: UInt8, green: UInt8, blue: UInt8)) throws(PictureError) {
        try Self.check(width: width, height: height)
        let pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { buffer, count in
            count = width * height * 3
            for offset in stride(from: 0, to: count, by: 3) {
                buffer.initializeElement(at: offset, to: fill.red)
                buffer.initializeElement(at: offset + 1, to: fill.green)
                buffer.initializeElement(at: offset + 2, to: fill.blue)
            }
        }
        try self.init(width: width, height: height, pixels: pixels)
    }

    static func check(width: Int, height: Int) throws(PictureError) {
        guard (1...65_535).contains(width), (1...65_535).contains(height) else {
            throw PictureError(
                .invalidArgument, "a size of \(width) x \(height) pixels", "give 1 to 65535 pixels a side")
        }
    }

    /// A rectangle of the picture.
    ///
    /// - Throws: `PictureError` unless the rectangle is at least 1 x 1 and inside the picture.
    public func cropped(x: Int, y: Int, width: Int, height: Int) throws(PictureError) -> Picture {
        // In this order: subtractions of what has been found to be in range cannot overflow.
        guard x >= 0, y >= 0, x < self.width, y < self.height, width >= 1, height >= 1,
            width <= self.width - x, height <= self.height - y
        else {
            throw PictureError(
                .invalidArgument, "a crop of \(width) x \(height) at (\(x), \(y))",
                "stay inside the picture of \(self.width) x \(self.height)")
        }
        var cropped: [UInt8] = []
        cropped.reserveCapacity(width * height * 3)
        for row in y..<(y + height) {
            let start = (row * self.width + x) * 3
            cropped += pixels[start..<(start + width * 3)]
        }
        return try Picture(width: width, height: height, pixels: cropped)
    }
}
