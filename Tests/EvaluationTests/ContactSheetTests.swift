import Raster
import Testing

@testable import Evaluation

@Suite struct ContactSheetTests {
    @Test(arguments: [true, false])
    func tilesLieApartAndInside(isGuided: Bool) {
        let geometry = ContactSheet.Geometry(people: 3, prompts: 2, isGuided: isGuided, width: 64, height: 48)
        #expect((geometry.tileWidth, geometry.tileHeight) == (128, 96))
        var corners: [(x: Int, y: Int)] = []
        for person in 0..<3 {
            corners.append(geometry.reference(of: person))
            for prompt in 0..<2 {
                for guided in isGuided ? [false, true] : [false] {
                    corners.append(geometry.tile(person: person, prompt: prompt, isGuided: guided))
                }
            }
        }
        for (index, a) in corners.enumerated() {
            #expect(a.x >= 0 && a.y >= 0 && a.x + 128 <= geometry.width && a.y + 96 <= geometry.height)
            for b in corners[..<index] {
                #expect(abs(a.x - b.x) >= 128 || abs(a.y - b.y) >= 96, "\(a) and \(b) overlap")
            }
        }
        // As far from the right and lower border as from the left and upper.
        #expect(corners.map(\.x).max() == geometry.width - 128 - ContactSheet.Geometry.margin)
        #expect(corners.map(\.y).max() == geometry.height - 96 - ContactSheet.Geometry.margin)
    }

    @Test func picturesComeToTheirPlaces() throws {
        let geometry = ContactSheet.Geometry(people: 1, prompts: 1, isGuided: true, width: 64, height: 64)
        var sheet = ContactSheet(geometry)
        try sheet.place(reference: try Picture(width: 50, height: 20, fill: (255, 0, 0)), person: 0)
        try sheet.place(try Picture(width: 64, height: 64, fill: (0, 255, 0)), person: 0, prompt: 0, false)
        try sheet.place(try Picture(width: 64, height: 64, fill: (0, 0, 255)), person: 0, prompt: 0, true)
        let picture = try sheet.picture()
        func colours(_ corner: (x: Int, y: Int)) throws -> Set<[UInt8]> {
            let tile = try picture.cropped(x: corner.x, y: corner.y, width: 128, height: 128)
            return Set(stride(from: 0, to: tile.pixels.count, by: 3).map { Array(tile.pixels[$0..<$0 + 3]) })
        }
        #expect(try colours(geometry.reference(of: 0)) == [[255, 0, 0]])
        #expect(try colours(geometry.tile(person: 0, prompt: 0, isGuided: false)) == [[0, 255, 0]])
        #expect(try colours(geometry.tile(person: 0, prompt: 0, isGuided: true)) == [[0, 0, 255]])
    }

    @Test func largeSheetsAreReduced() {
        let geometry = ContactSheet.Geometry(people: 200, prompts: 256, isGuided: true, width: 4096, height: 16)
        #expect(geometry.width <= 20_000 && geometry.height <= 20_000)
        let many = ContactSheet.Geometry(people: 50, prompts: 10, isGuided: true, width: 1024, height: 1024)
        #expect(many.width * many.height <= ContactSheet.Geometry.mostPixels && many.tileWidth > 100)
    }
}
