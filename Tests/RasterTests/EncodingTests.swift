import Raster
import Testing

@Suite struct EncodingTests {
    @Test func pngKeepsEveryPixel() throws {
        for (width, height) in [(1, 1), (1, 7), (13, 1), (61, 47)] {
            let picture = try drawnPicture(width: width, height: height)
            #expect(try Picture.decode(picture.encode(.png)) == picture)
        }
    }

    @Test(arguments: [(30, 24.0), (75, 28.0), (95, 31.0), (100, 31.5)])
    func jpegLosesLittleAndLessWithHigherQuality(quality: Int, bound: Double) throws {
        let picture = try drawnPicture(width: 96, height: 64)
        for isProgressive in [false, true] {
            let options = JPEGOptions(quality: quality, isProgressive: isProgressive)
            let decoded = try Picture.decode(picture.encode(.jpeg(options)))
            #expect(psnr(decoded.pixels, picture.pixels) > bound, "\(psnr(decoded.pixels, picture.pixels)) dB")
        }
    }

    @Test func fullChromaKeepsColouredEdgesThatHalfChromaBlurs() throws {
        let picture = try drawnPicture(width: 96, height: 64)
        let full = try Picture.decode(picture.encode(.jpeg(JPEGOptions(quality: 95, chroma: .full))))
        let half = try Picture.decode(picture.encode(.jpeg(JPEGOptions(quality: 95, chroma: .half))))
        #expect(psnr(full.pixels, picture.pixels) > 40)
        #expect(psnr(full.pixels, picture.pixels) > psnr(half.pixels, picture.pixels) + 3)
    }

    @Test func progressiveFilesHaveTheProgressiveFrameMarker() throws {
        let picture = try drawnPicture(width: 32, height: 32)
        for (isProgressive, marker) in [(false, UInt8(0xC0)), (true, 0xC2)] {
            let bytes = try picture.encode(.jpeg(JPEGOptions(isProgressive: isProgressive)))
            #expect(zip(bytes, bytes.dropFirst()).contains { $0 == (0xFF, marker) })
        }
    }

    @Test func encodingTheSamePictureTwiceGivesTheSameBytes() throws {
        let picture = try drawnPicture(width: 64, height: 48)
        let metadata: PictureMetadata = ["prompt": "a portrait", "seed": "7"]
        for encoding in [PictureEncoding.jpeg(), .png] {
            #expect(try picture.encode(encoding, metadata: metadata) == picture.encode(encoding, metadata: metadata))
        }
    }

    @Test func qualitiesOutOfRangeAreRefused() throws {
        let picture = try drawnPicture(width: 8, height: 8)
        for quality in [0, 101, -1, .max] {
            let error = #expect(throws: PictureError.self) {
                try picture.encode(.jpeg(JPEGOptions(quality: quality)))
            }
            #expect(error?.kind == .invalidArgument)
        }
    }
}
