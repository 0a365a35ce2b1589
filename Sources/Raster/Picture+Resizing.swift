/// How pixels are computed when a picture is resized.
public enum ResizeFilter: Sendable {
    /// Triangle filter whose support grows with the reduction, so that every source pixel counts: no aliasing.
    case bilinear
    /// The source pixel under each new pixel's centre.
    case nearest
}

extension Picture {
    /// The picture in another size.
    ///
    /// - Throws: `PictureError` unless both sides are 1 to 65,535 and there are at most 100 million pixels.
    public func resized(
        width: Int, height: Int, by filter: ResizeFilter = .bilinear
    ) throws(PictureError) -> Picture {
        try Self.check(width: width, height: height)
        guard width * height <= 100_000_000 else {
            throw PictureError(.invalidArgument, "a size of \(width) x \(height)", "give at most 100 million pixels")
        }
        guard (width, height) != (self.width, self.height) else { return self }
        let columns = filter.taps(from: self.width, to: width)
        let rows = filter.taps(from: self.height, to: height)
        return try Picture(width: width, height: height, pixels: resample(columns: columns, rows: rows))
    }

    /// The picture reduced so that its longer side is at most `side`; the picture itself where it already is.
    ///
    /// - Throws: `PictureError` unless `side` is at least 1.
    public func fitted(within side: Int) throws(PictureError) -> Picture {
        let longer = max(width, height)
        guard side >= 1, side < longer else {
            return side >= 1 ? self : try resized(width: side, height: side)
        }
        return try resized(width: max(1, width * side / longer), height: max(1, height * side / longer))
    }

    /// Rows first, one new row at a time: the only memory besides the result is one row of sums.
    private func resample(columns: [ResizeFilter.Tap], rows: [ResizeFilter.Tap]) -> [UInt8] {
        let stride = width * 3
        var sums = [Float](repeating: 0, count: stride)
        return [UInt8](unsafeUninitializedCapacity: columns.count * rows.count * 3) { target, count in
            count = columns.count * rows.count * 3
            pixels.withUnsafeBufferPointer { source in
                sums.withUnsafeMutableBufferPointer { sums in
                    for (y, row) in rows.enumerated() {
                        sums.update(repeating: 0)
                        for (index, weight) in row.weights.enumerated() {
                            let start = (row.first + index) * stride
                            for offset in 0..<stride { sums[offset] += weight * Float(source[start + offset]) }
                        }
                        for (x, column) in columns.enumerated() {
                            column.apply(to: sums, into: target, at: (y * columns.count + x) * 3)
                        }
                    }
                }
            }
        }
    }
}

extension ResizeFilter {
    /// The source pixels of one new pixel along one axis, and their weights, which add up to 1.
    fileprivate struct Tap {
        let first: Int
        let weights: [Float]

        @inline(__always)
        func apply(
            to sums: UnsafeMutableBufferPointer<Float>, into target: UnsafeMutableBufferPointer<UInt8>, at offset: Int
        ) {
            var (red, green, blue): (Float, Float, Float) = (0, 0, 0)
            var from = 3 * first
            for weight in weights {
                red += weight * sums[from]
                green += weight * sums[from + 1]
                blue += weight * sums[from + 2]
                from += 3
            }
            // Weights are positive and add up to 1 within rounding, so this stays within 0 to 255.
            target.initializeElement(at: offset, to: UInt8(min(255, red + 0.5)))
            target.initializeElement(at: offset + 1, to: UInt8(min(255, green + 0.5)))
            target.initializeElement(at: offset + 2, to: UInt8(min(255, blue + 0.5)))
        }
    }

    /// Pixel centres are at half-integers: the centre of new pixel i is (i + 1/2) * old / new in the source.
    fileprivate func taps(from old: Int, to new: Int) -> [Tap] {
        let scale = Double(old) / Double(new)
        return (0..<new).map { index in
            let centre = (Double(index) + 0.5) * scale
            switch self {
            case .nearest: return Tap(first: min(old - 1, Int(centre)), weights: [1])
            case .bilinear:
                let support = max(1, scale)
                let first = max(0, Int((centre - support).rounded(.down)))
                let last = min(old - 1, Int((centre + support).rounded(.down)))
                let weights = (first...last).map { max(0, 1 - abs(Double($0) + 0.5 - centre) / support) }
                let sum = weights.reduce(0, +)
                return Tap(first: first, weights: weights.map { Float($0 / sum) })
            }
        }
    }
}
