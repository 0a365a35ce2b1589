/// How large a picture file may be, checked before anything is decoded.
///
/// A file says its size in its first bytes, and a few kilobytes can claim gigabytes of pixels. At its peak, decoding takes
/// up to 11 bytes per pixel: 440 MB at the standard limits, for a progressive CMYK file, whose coefficients are all kept
/// until its last scan.
public struct PictureLimits: Sendable, Equatable {
    /// Of the file.
    public var maximumBytes: Int
    /// Width and height, in pixels.
    public var maximumSide: Int
    /// Width times height.
    public var maximumPixels: Int
    /// Scans of a progressive JPEG; common encoders write 10.
    ///
    /// Each scan takes as long as a picture of its own and needs only a few bytes.
    public var maximumScans: Int

    public init(
        maximumBytes: Int = 16 << 20, maximumSide: Int = 8192, maximumPixels: Int = 40_000_000, maximumScans: Int = 100
    ) {
        self.maximumBytes = maximumBytes
        self.maximumSide = maximumSide
        self.maximumPixels = maximumPixels
        self.maximumScans = maximumScans
    }

    public static let standard = PictureLimits()

    func check(byteCount: Int) throws(PictureError) {
        guard byteCount <= maximumBytes else {
            throw PictureError(
                .tooLarge, "the file has \(byteCount) bytes", "give one of at most \(maximumBytes) bytes")
        }
    }

    func check(width: Int, height: Int) throws(PictureError) {
        guard width <= maximumSide, height <= maximumSide else {
            throw PictureError(
                .tooLarge, "the picture is \(width) x \(height) pixels", "scale it to at most \(maximumSide) a side")
        }
        let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
        guard !overflow, pixels <= maximumPixels else {
            throw PictureError(
                .tooLarge, "the picture is \(width) x \(height) pixels",
                "scale it to at most \(maximumPixels) pixels in all")
        }
    }
}
