import DemoModel
import Flow
import Foundation
import Raster
import Tensors
import Testing

@testable import Generation

/// Models whose prepared weights lie in a file.
@Suite struct WeightCacheTests {
    /// A folder that goes with its last user.
    private final class Folder {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("cache-\(UUID().uuidString)")

        deinit { try? FileManager.default.removeItem(at: url) }

        var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? [] }
    }

    private let folder = Folder()

    private func model(_ precision: Precision) throws -> Model {
        try Model(try DemoModel.directory(), precision: precision, cache: folder.url.path)
    }

    private func picture(_ model: Model) throws -> (picture: Picture?, losses: [Float]) {
        var run = try model.begin(try DemoModelTests.request(iterations: 1))
        var picture: Picture?
        while let pass = try run.next() { picture = try pass.picture() }
        return (picture, run.losses)
    }

    @Test(arguments: Precision.allCases) func theFileMakesTheSamePictures(precision: Precision) throws {
        let expected = try picture(try Model(try DemoModel.directory(), precision: precision))
        let first = try model(precision), second = try model(precision)
        #expect(first.cache?.place == .written && second.cache?.place == .found)
        #expect(first.cache?.problems == [] && second.cache?.problems == [])
        #expect(folder.names.count == 1)
        for model in [first, second] {
            let made = try picture(model)
            #expect(made.picture == expected.picture && made.losses == expected.losses)
        }
    }

    @Test func theFingerprintDoesNotHangOnIt() throws {
        let expected = try DemoModelTests.model.get().hash
        #expect(try model(.float32).hash == expected && model(.float32).hash == expected)
    }

    @Test func aFileThatIsCutShortIsMadeAnew() throws {
        _ = try model(.bfloat16)
        let file = folder.url.appendingPathComponent(try #require(folder.names.first))
        let content = try Data(contentsOf: file)
        try FileManager.default.removeItem(at: file)
        try content.prefix(content.count / 2).write(to: file)
        let model = try model(.bfloat16)
        #expect(model.cache?.place == .written)
        #expect(model.cache?.problems.first?.contains("cut short") == true, "\(model.cache?.problems ?? [])")
        #expect(try Data(contentsOf: file) == content)
    }

    @Test func whereNothingCanBeWrittenTheModelStaysInMemory() throws {
        // A file in the place of the folder: that root, too, cannot write into.
        try Data([1]).write(to: folder.url)
        let model = try model(.bfloat16)
        #expect(model.cache?.place == .memory && model.cache?.problems.count == 1)
        let expected = try picture(try Model(try DemoModel.directory(), precision: .bfloat16))
        #expect(try picture(model).picture == expected.picture)
    }
}
