import Foundation

/// A `*.safetensors.index.json`: which file of a folder holds which tensor.
struct ShardIndex: Decodable {
    /// Most files of one network.
    static let maximumFiles = 1000

    private let weightMap: [String: String]
    private var path = ""

    private enum CodingKeys: String, CodingKey { case weightMap = "weight_map" }

    init(_ path: String) throws(CheckpointError) {
        self = try JSONFile.decode(ShardIndex.self, at: path)
        self.path = path
    }

    /// Opens the files and checks that they hold what the index says.
    func open() throws(CheckpointError) -> Safetensors {
        let names = Set(weightMap.values)
        guard !names.isEmpty, names.count <= ShardIndex.maximumFiles else {
            throw CheckpointError(
                .malformed, file: path, "names \(names.count) files; 1 to \(ShardIndex.maximumFiles) are possible")
        }
        let folder = (path as NSString).deletingLastPathComponent
        var parts: [Safetensors] = []
        for name in names.sorted() {
            // An index must not reach out of its folder.
            guard !name.contains("/"), name.hasSuffix(".safetensors") else {
                throw CheckpointError(
                    .malformed, file: path, "names \(name.debugDescription), which is no file beside it")
            }
            parts.append(try Safetensors((folder as NSString).appendingPathComponent(name)))
        }
        let whole = try Safetensors.joining(parts, as: path)
        for name in weightMap.keys where !whole.contains(name) {
            throw CheckpointError(.missing, file: path, "no file holds tensor \(name.debugDescription)")
        }
        return whole
    }
}
