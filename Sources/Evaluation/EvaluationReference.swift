import Foundation
public import Raster

/// A picture of a person, under a name of its own.
public struct EvaluationReference: Sendable {
    /// The file's name; with its folder where several files have the same.
    public let name: String
    public let picture: Picture

    public init(name: String, picture: Picture) {
        self.name = name
        self.picture = picture
    }

    /// Reads reference files, one per person.
    ///
    /// - Throws: ``EvaluationError`` that names the file that is absent, no picture, or there twice.
    public static func read(_ paths: [String]) throws(EvaluationError) -> [EvaluationReference] {
        let names = paths.map { URL(fileURLWithPath: $0).lastPathComponent }
        let areUnique = Set(names).count == names.count
        guard Set(paths).count == paths.count else { throw .mismatched("a reference is given twice") }
        var references: [EvaluationReference] = []
        for (path, name) in zip(paths, names) {
            let bytes: [UInt8]
            do {
                bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            } catch {
                throw .unreadable("\(path): cannot be read: \(error.localizedDescription)")
            }
            let picture = try evaluating(path) { try Picture.decode(bytes) }
            references.append(EvaluationReference(name: areUnique ? name : path, picture: picture))
        }
        return references
    }
}
