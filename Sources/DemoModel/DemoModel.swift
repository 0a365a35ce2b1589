import Foundation

/// Where the embedded demo model and its sample pictures lie.
///
/// A small model of exactly the parts of a real one, trained by `scripts/demo-model` on drawn portraits; it makes the
/// commands, the tests and the documentation work on a machine that has nothing else.
public enum DemoModel {
    /// The model's folder, in diffusers' layout.
    ///
    /// - Throws: ``DemoModelError`` where the resources are not beside the program.
    public static func directory() throws(DemoModelError) -> String { try path("demo") }

    /// Reference portraits of people that no training saw, JPEG, sorted by name.
    ///
    /// - Throws: ``DemoModelError`` where the resources are not beside the program.
    public static func samples() throws(DemoModelError) -> [String] {
        let folder = try path("samples")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasSuffix(".jpg") }.sorted().map { folder + "/" + $0 }
    }

    /// The folder of what measures and took no part in guidance: `judge.onnx` for identity, `scene.onnx` and
    /// `scene.json` for the rest, and `evaluation.json`, the prompts with what they ask for.
    ///
    /// - Throws: ``DemoModelError`` where the resources are not beside the program.
    public static func judges() throws(DemoModelError) -> String { try path("judge") }

    /// Not `Bundle.module`, which ends the program where the bundle is missing: a binary may be installed without it.
    private static func path(_ name: String) throws(DemoModelError) -> String {
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let places = [
            ProcessInfo.processInfo.environment["RECTIFID_RESOURCES"].map { URL(fileURLWithPath: $0) },
            program.appendingPathComponent("rectifid_DemoModel.resources/Resources"),
            program.appendingPathComponent("../share/rectifid"),
            source.appendingPathComponent("Resources"),
        ].compactMap { $0 }
        for place in places {
            let path = place.appendingPathComponent(name).standardizedFileURL.path
            if FileManager.default.fileExists(atPath: path) { return path }
        }
        throw DemoModelError(places: places.map(\.path))
    }
}

/// The resources of the demo model are nowhere to be found.
public struct DemoModelError: Error, Sendable, CustomStringConvertible {
    let places: [String]

    public var description: String {
        "the demo model is in none of \(places.joined(separator: ", ")); set RECTIFID_RESOURCES to its folder, or name "
            + "another model with --model"
    }
}
