import Raster
import Testing

@Suite struct DecodingTests {
    @Test func theFixturesAreThere() {
        #expect(Fixture.all.count == 45)
        #expect(Fixture.all.allSatisfy { $0.expected.count == Fixture.width * Fixture.height * 3 })
    }

    @Test(arguments: Fixture.all)
    func everyKindOfFileDecodesToItsPixels(fixture: Fixture) throws {
        let picture = try Picture.decode(fixture.bytes)
        #expect(picture.width == Fixture.width)
        #expect(picture.height == Fixture.height)
        if fixture.isPNG {
            #expect(picture.pixels == fixture.expected)
        } else {
            // JPEG loses a little; a wrong colour space or turn gives less than 15 dB.
            #expect(psnr(picture.pixels, fixture.expected) > 29, "\(psnr(picture.pixels, fixture.expected)) dB")
        }
    }

    @Test func formatsAreToldByTheirFirstBytes() throws {
        #expect(PictureFormat.sniff([0xFF, 0xD8, 0xFF, 0xE0]) == .jpeg)
        #expect(PictureFormat.sniff(try Fixture.named("png-rgb8.png").bytes) == .png)
        #expect(PictureFormat.sniff([]) == nil)
        #expect(PictureFormat.sniff(Array("GIF89a".utf8)) == nil)
        #expect(PictureFormat(fileExtension: "JPEG") == .jpeg)
        #expect(PictureFormat(fileExtension: "png") == .png)
        #expect(PictureFormat(fileExtension: "webp") == nil)
        for bytes in [[], Array("GIF89a".utf8), [0xFF, 0xD8]] as [[UInt8]] {
            let error = #expect(throws: PictureError.self) { try Picture.decode(bytes) }
            #expect(error?.kind == .unknownFormat)
        }
    }

    @Test func limitsAreCheckedBeforeDecoding() throws {
        let bytes = try drawnPicture(width: 40, height: 20).encode(.png)
        for limits in [
            PictureLimits(maximumBytes: bytes.count - 1), PictureLimits(maximumSide: 39),
            PictureLimits(maximumPixels: 799),
        ] {
            let error = #expect(throws: PictureError.self) { try Picture.decode(bytes, limits: limits) }
            #expect(error?.kind == .tooLarge)
        }
        let exact = PictureLimits(maximumBytes: bytes.count, maximumSide: 40, maximumPixels: 800)
        #expect(try Picture.decode(bytes, limits: exact).width == 40)
    }

    @Test func hugeClaimedSizesAreRefusedWithoutAllocatingThem() throws {
        // PNG: width and height are the first eight bytes of the header chunk, which a checksum covers.
        let png = try Fixture.named("png-rgb8.png").bytes
        var huge = png
        huge.replaceSubrange(16..<24, with: [0x00, 0x01, 0x86, 0xA0, 0x00, 0x01, 0x86, 0xA0])
        huge.replaceSubrange(29..<33, with: crc32(huge[12..<29]))
        let pngError = #expect(throws: PictureError.self) { try Picture.decode(huge) }
        #expect(pngError?.kind == .tooLarge)

        // JPEG: height and width follow length and precision in the frame header FF C0.
        var jpeg = try Fixture.named("jpeg-444.jpg").bytes
        let frame = try #require(jpeg.indices.first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
        jpeg.replaceSubrange((frame + 5)..<(frame + 9), with: [0xFF, 0x00, 0xFF, 0x00])
        let jpegError = #expect(throws: PictureError.self) { try Picture.decode(jpeg) }
        #expect(jpegError?.kind == .tooLarge)
    }

    @Test func scansOfAProgressiveFileAreLimited() throws {
        let fixture = try Fixture.named("jpeg-progressive.jpg")
        #expect(try Picture.decode(fixture.bytes, limits: PictureLimits(maximumScans: 10)).width == Fixture.width)
        let error = #expect(throws: PictureError.self) {
            try Picture.decode(fixture.bytes, limits: PictureLimits(maximumScans: 4))
        }
        #expect(error?.kind == .tooLarge)
    }

    @Test func anErrorSaysWhatToDo() throws {
        let bytes = try Fixture.named("jpeg-420.jpg").bytes
        let error = #expect(throws: PictureError.self) { try Picture.decode(Array(bytes.prefix(bytes.count / 2))) }
        #expect(error?.kind == .truncated)
        #expect(error?.description == "the JPEG file ends early; send the whole file again")
    }

    private func crc32(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        return withUnsafeBytes(of: (~crc).bigEndian) { Array($0) }
    }
}
