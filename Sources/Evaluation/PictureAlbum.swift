import Foundation
public import Raster
import Synchronization

/// Where the pictures of an evaluation go: a folder, a contact sheet, both or neither.
public final class PictureAlbum: Sendable {
    private let folder: URL?
    private let sheet: Mutex<ContactSheet?>

    /// - Parameters:
    ///   - folder: Made where it is not there; nil to keep no files.
    ///   - sheet: Filled with the first seed's pictures; nil for none.
    /// - Throws: ``EvaluationError/unwritable(_:)``.
    public init(folder: String? = nil, sheet: ContactSheet? = nil) throws(EvaluationError) {
        self.folder = folder.map { URL(fileURLWithPath: $0) }
        self.sheet = Mutex(sheet)
        guard let folder else { return }
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw .unwritable("\(folder): cannot be made: \(error.localizedDescription)")
        }
    }

    /// Takes a picture in.
    ///
    /// - Returns: The file that was written, if any, within the folder.
    func add(
        _ picture: Picture, _ item: EvaluationPlan.Item, of plan: EvaluationPlan, isGuided: Bool,
        metadata: PictureMetadata
    ) throws(EvaluationError) -> String? {
        if item.seed == 0 {
            try evaluating {
                try sheet.withLock { try $0?.place(picture, person: item.person, prompt: item.prompt, isGuided) }
            }
        }
        guard let folder else { return nil }
        let person = URL(fileURLWithPath: plan.references[item.person].name).deletingPathExtension().lastPathComponent
        let name =
            "\(String(format: "%03d", item.person))-\(person)_prompt-\(item.prompt + 1)_seed-\(plan.seeds[item.seed])_"
            + "\(isGuided ? "guided" : "unguided").png"
        let file = folder.appendingPathComponent(name)
        let bytes = try evaluating(name) { try picture.encode(.png, metadata: metadata) }
        do {
            try Data(bytes).write(to: file, options: .atomic)
        } catch {
            throw .unwritable("\(file.path): cannot be written: \(error.localizedDescription)")
        }
        return name
    }

    /// The contact sheet as it stands; nil where none is kept.
    ///
    /// - Throws: ``EvaluationError`` where it is too large to be a picture.
    public func contactSheet() throws(EvaluationError) -> Picture? {
        try evaluating { try sheet.withLock { try $0?.picture() } }
    }
}
