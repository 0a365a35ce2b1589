import Raster
import Testing

@Suite struct ResizingTests {
    @Test(arguments: [ResizeFilter.bilinear, .nearest])
    func aPlainPictureStaysPlain(filter: ResizeFilter) throws {
        let plain = try Picture(width: 37, height: 21, fill: (red: 255, green: 128, blue: 0))
        for (width, height) in [(1, 1), (5, 90), (100, 7), (37, 21), (36, 22)] {
            let resized = try plain.resized(width: width, height: height, by: filter)
            #expect(try resized == Picture(width: width, height: height, fill: (red: 255, green: 128, blue: 0)))
        }
    }

    @Test func halvingTakesEveryPixelIntoAccount() throws {
        // One row 0 0 0 0 80 0 0 0. New pixel i has its centre at 2i + 1 and takes the pixels at distances 1/2 and 3/2 to
        // either side with weights 3/8 and 1/8; at the ends the outer one is missing and the rest is scaled by 8/7.
        let gray: [UInt8] = [0, 0, 0, 0, 80, 0, 0, 0]
        let picture = try Picture(width: 8, height: 1, pixels: gray.flatMap { [$0, $0, $0] })
        let half = try picture.resized(width: 4, height: 1)
        #expect(half.pixels == [0, 0, 0, 10, 10, 10, 30, 30, 30, 0, 0, 0])
    }

    @Test func doublingInterpolates() throws {
        let picture = try Picture(width: 2, height: 1, pixels: [0, 0, 0, 100, 100, 100])
        #expect(
            try picture.resized(width: 4, height: 1).pixels.enumerated().filter { $0.offset % 3 == 0 }.map(\.element)
                == [0, 25, 75, 100])
    }

    @Test func rowsAndColumnsAreTreatedAlike() throws {
        let picture = try drawnPicture(width: 40, height: 40)
        func transposed(_ picture: Picture) throws -> Picture {
            var pixels: [UInt8] = []
            for x in 0..<picture.width {
                for y in 0..<picture.height {
                    let at = (y * picture.width + x) * 3
                    pixels += picture.pixels[at..<(at + 3)]
                }
            }
            return try Picture(width: picture.height, height: picture.width, pixels: pixels)
        }
        let there = try transposed(picture).resized(width: 30, height: 17)
        let back = try transposed(picture.resized(width: 17, height: 30))
        let largest = zip(there.pixels, back.pixels).map { abs(Int($0) - Int($1)) }.max()
        #expect((largest ?? 255) <= 1)
    }

    @Test func nearestTakesThePixelUnderTheCentre() throws {
        let picture = try drawnPicture(width: 12, height: 9)
        let tripled = try picture.resized(width: 36, height: 27, by: .nearest)
        #expect(try tripled.resized(width: 12, height: 9, by: .nearest) == picture)
        #expect(tripled.pixels[..<3] == picture.pixels[..<3])
        #expect(tripled.pixels[9..<12] == picture.pixels[3..<6])
    }

    @Test func fittingKeepsTheShapeAndNeverEnlarges() throws {
        let picture = try drawnPicture(width: 300, height: 200)
        let fitted = try picture.fitted(within: 120)
        #expect((fitted.width, fitted.height) == (120, 80))
        #expect(try picture.fitted(within: 300) == picture)
        #expect(try picture.fitted(within: 5000) == picture)
        let thin = try Picture(width: 500, height: 1, fill: (red: 0, green: 0, blue: 0)).fitted(within: 10)
        #expect((thin.width, thin.height) == (10, 1))
    }

    @Test func croppingTakesTheRectangle() throws {
        let picture = try drawnPicture(width: 10, height: 8)
        let crop = try picture.cropped(x: 2, y: 3, width: 4, height: 5)
        for y in 0..<5 {
            for x in 0..<4 {
                let (from, to) = (((y + 3) * 10 + x + 2) * 3, (y * 4 + x) * 3)
                #expect(crop.pixels[to..<(to + 3)] == picture.pixels[from..<(from + 3)])
            }
        }
        #expect(try picture.cropped(x: 0, y: 0, width: 10, height: 8) == picture)
    }

    @Test func sizesThatMakeNoPictureAreRefused() throws {
        let picture = try drawnPicture(width: 10, height: 8)
        #expect(throws: PictureError.self) { try picture.resized(width: 0, height: 5) }
        #expect(throws: PictureError.self) { try picture.resized(width: .max, height: .max) }
        #expect(throws: PictureError.self) { try picture.resized(width: 65_535, height: 65_535) }
        #expect(throws: PictureError.self) { try picture.fitted(within: 0) }
        #expect(throws: PictureError.self) { try picture.fitted(within: -3) }
        #expect(throws: PictureError.self) { try picture.cropped(x: 5, y: 5, width: 6, height: 1) }
        #expect(throws: PictureError.self) { try picture.cropped(x: 1, y: 1, width: .max, height: 1) }
        #expect(throws: PictureError.self) { try picture.cropped(x: -1, y: 0, width: 1, height: 1) }
        #expect(throws: PictureError.self) { try Picture(width: 2, height: 2, pixels: [1]) }
        #expect(throws: PictureError.self) { try Picture(width: 0, height: 2, pixels: []) }
    }
}
