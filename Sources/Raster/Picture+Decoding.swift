import CCodec

extension Picture {
    /// Reads a JPEG or PNG file, told by its first bytes.
    ///
    /// All colour spaces become RGB, transparency is laid over white, EXIF orientation is applied. Colour profiles are
    /// not: pixels are taken for sRGB.
    ///
    /// - Throws: `PictureError` for files that are damaged, cut short (also where the library would fill in gray), over
    ///   a limit, or no pictures.
    public static func decode(
        _ bytes: [UInt8], limits: PictureLimits = .standard
    ) throws(PictureError) -> Picture {
        try limits.check(byteCount: bytes.count)
        let format = try PictureFormat.required(of: bytes)
        let size = try Self.size(of: bytes, format: format)
        let (width, height) = (Int(size.width), Int(size.height))
        try limits.check(width: width, height: height)

        var report = codec_report()
        let pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { buffer, count in
            report = bytes.withUnsafeBufferPointer { file in
                switch format {
                case .jpeg:
                    codec_jpeg_decode(
                        file.baseAddress, file.count, size, Int32(clamping: limits.maximumScans), buffer.baseAddress)
                case .png: codec_png_decode(file.baseAddress, file.count, size, buffer.baseAddress)
                }
            }
            // After a failure the pixels are partly unset; nobody gets to see them.
            count = report.status == CODEC_OK ? buffer.count : 0
        }
        if let error = PictureError(report, in: format) { throw error }
        let orientation = Orientation(ofFile: bytes, format: format)
        return try Picture(width: width, height: height, pixels: pixels).turned(orientation)
    }

    private static func size(of bytes: [UInt8], format: PictureFormat) throws(PictureError) -> codec_size {
        var size = codec_size()
        let report = bytes.withUnsafeBufferPointer { file in
            switch format {
            case .jpeg: codec_jpeg_size(file.baseAddress, file.count, &size)
            case .png: codec_png_size(file.baseAddress, file.count, &size)
            }
        }
        if let error = PictureError(report, in: format) { throw error }
        return size
    }
}
