import Testing

@testable import Raster

@Suite struct HostileFileTests {
    @Test(arguments: Fixture.all)
    func aFileCutAnywhereIsATypedError(fixture: Fixture) {
        for count in 0..<fixture.bytes.count {
            do throws(PictureError) {
                _ = try Picture.decode(Array(fixture.bytes.prefix(count)))
                Issue.record("\(count) of \(fixture.bytes.count) bytes of \(fixture.name) were taken for a picture")
            } catch {
                if count >= 8, error.kind != .truncated { Issue.record("\(count) bytes of \(fixture.name): \(error)") }
            }
        }
    }

    @Test func fiftyThousandMutatedFilesGivePicturesOrTypedErrors() {
        var generator = SeededGenerator(seed: 2024)
        // Small limits keep a mutated size from costing time; they are limits all the same.
        let limits = PictureLimits(maximumSide: 2000, maximumPixels: 100_000)
        var pictures = 0
        for round in 0..<50_000 {
            let bytes = generator.mutate(Fixture.all[round % Fixture.all.count].bytes)
            do throws(PictureError) {
                let picture = try Picture.decode(bytes, limits: limits)
                pictures += 1
                if picture.pixels.count != picture.width * picture.height * 3 { Issue.record("round \(round)") }
            } catch {
                if error.description.isEmpty { Issue.record("round \(round)") }
            }
            _ = try? PictureMetadata.read(bytes)
        }
        // Both outcomes must have been met, or the mutations test nothing.
        #expect(pictures > 500 && pictures < 49_500)
    }

    @Test func hostileOrientationTagsAreIgnored() {
        var generator = SeededGenerator(seed: 5)
        // A sound structure: little-endian, directory at 8, one entry: orientation 6.
        let sound: [UInt8] = [
            0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0,
        ]
        #expect(Orientation(tiff: sound[...]) == .quarterTurn)
        #expect(Orientation(tiff: []) == nil)
        var found = 0
        for _ in 0..<100_000 {
            if Orientation(tiff: generator.mutate(sound)[...]) != nil { found += 1 }
        }
        #expect(found > 0 && found < 100_000)
        // A directory far outside, and one with 65,535 entries that are not there.
        var outside = sound
        outside.replaceSubrange(4..<8, with: [0xFF, 0xFF, 0xFF, 0xFF])
        #expect(Orientation(tiff: outside[...]) == nil)
        var many = sound
        many.replaceSubrange(8..<12, with: [0xFF, 0xFF, 0x00, 0x00])
        #expect(Orientation(tiff: many[...]) == nil)
        for value: UInt8 in [0, 9, 255] {
            var wrong = sound
            wrong[18] = value
            #expect(Orientation(tiff: wrong[...]) == nil)
        }
    }
}
