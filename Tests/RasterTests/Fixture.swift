import Foundation
import Raster
import Testing

/// A picture file and the pixels it must decode to (scripts/make-raster-fixtures).
struct Fixture: Sendable, CustomTestStringConvertible {
    static let width = 24
    static let height = 16

    /// File name, such as `png-rgb8.png`.
    let name: String
    let bytes: [UInt8]
    /// [16, 24, 3].
    let expected: [UInt8]

    var testDescription: String { name }
    var isPNG: Bool { name.hasSuffix(".png") }

    static let all: [Fixture] = {
        let folder = Bundle.module.bundleURL.appendingPathComponent("Fixtures")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { !$0.hasSuffix(".rgb") }.sorted().compactMap { name in
            let file = folder.appendingPathComponent(name)
            let pixels = file.deletingPathExtension().appendingPathExtension("rgb")
            guard let bytes = try? Data(contentsOf: file), let expected = try? Data(contentsOf: pixels) else {
                return nil
            }
            return Fixture(name: name, bytes: Array(bytes), expected: Array(expected))
        }
    }()

    static func named(_ name: String) throws -> Fixture {
        try #require(all.first { $0.name == name })
    }
}

/// Peak signal-to-noise ratio in decibels; infinite for equal pixels.
func psnr(_ a: [UInt8], _ b: [UInt8]) -> Double {
    guard a.count == b.count, !a.isEmpty else { return 0 }
    let squares = zip(a, b).reduce(0.0) { sum, pair in
        let difference = Double(pair.0) - Double(pair.1)
        return sum + difference * difference
    }
    return squares == 0 ? .infinity : 10 * log10(255 * 255 * Double(a.count) / squares)
}

/// A picture with smooth parts, sharp edges and strong colours.
func drawnPicture(width: Int, height: Int) throws -> Picture {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(width * height * 3)
    for y in 0..<height {
        for x in 0..<width {
            let (dx, dy) = (Double(x) / Double(width) - 0.5, Double(y) / Double(height) - 0.5)
            if dx * dx + dy * dy < 0.04 {
                pixels += [250, 30, 30]
            } else {
                pixels += [UInt8(x * 255 / width), UInt8(y * 255 / height), UInt8(120 + 100 * dx)]
            }
        }
    }
    return try Picture(width: width, height: height, pixels: pixels)
}
