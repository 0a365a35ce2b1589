import Foundation
import Synchronization
public import Tensors

/// A model's weights as the device wants them, in a file that all processes of a machine map: one copy in memory for all
/// of them, in the page cache, and nothing to convert for those that start later.
///
/// There is one file for each model folder, precision and kind of processor; one that was made of other weights, or by
/// another version of this program, is replaced. It is a safetensors file, whose text entries hold the key of what it was
/// made from and a digest of every tensor. What does not fit, because it is damaged, cut short, of another user or of
/// another key, counts as absent. A mapped file must not shrink (see ``MappedFile``): this one is only ever replaced by
/// another, and nobody may write to it.
public final class PreparedWeights: WeightShelf {
    /// Where the file is, or would be.
    public let path: String
    /// Of the model's folder.
    public let fingerprint: Fingerprint
    private let stamp: FolderStamp?
    private let key: String
    private let file: Safetensors?
    private let state: Mutex<State>

    private struct State {
        /// What was asked for.
        var tensors: [String: Tensor] = [:]
        var made = 0
        var problems: [String]
    }

    /// Fewer bytes are not worth a page.
    private static let leastByteCount = 4096

    /// Opens the file, if there is one that fits.
    ///
    /// - Parameters:
    ///   - folder: Where prepared weights are kept; made when something is to be.
    ///   - model: The folder of the model.
    ///   - precision: Of the products.
    /// - Throws: ``CheckpointError`` where a file of the model cannot be read.
    public convenience init(in folder: String, model: String, _ precision: Precision) throws(CheckpointError) {
        try self.init(in: folder, model: model, precision, now: time(nil))
    }

    init(in folder: String, model: String, _ precision: Precision, now: Int) throws(CheckpointError) {
        let kind = "\(precision.rawValue)-\(CPU.shared.weightLayout)"
        path = URL(fileURLWithPath: folder).appendingPathComponent(PreparedWeights.name(model, kind)).path
        var problems: [String] = []
        let found = PreparedWeights.open(path, &problems)
        // Before the files are read: one that changes meanwhile is noticed by the next process.
        stamp = FolderStamp(model, now: now)
        if let stamp, found?.metadata[Entry.stamp] == stamp.text,
            let known = found?.metadata[Entry.fingerprint].flatMap(Fingerprint.init(state:))
        {
            fingerprint = known
        } else {
            fingerprint = try Fingerprint(ofFilesIn: model)
        }
        key = "weights \(fingerprint), \(kind)"
        let fits = found?.metadata[Entry.key] == key
        if found != nil, !fits { problems.append("\(path): of other weights or another version") }
        file = fits ? found : nil
        state = Mutex(State(problems: problems))
    }

    /// A name that says what is in the file; the model's place tells apart those of one name.
    private static func name(_ model: String, _ kind: String) -> String {
        let model = URL(fileURLWithPath: model).standardizedFileURL.path
        let name = (model as NSString).lastPathComponent
            .filter { $0.isASCII && ($0.isLetter || $0.isNumber) }.prefix(40)
        return "\(name)-\(kind)-\(Fingerprint(of: model).description.prefix(16)).safetensors"
    }

    private static func open(_ path: String, _ problems: inout [String]) -> Safetensors? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        do {
            return try Safetensors(file: path, ownOnly: true)
        } catch {
            problems.append("\(error)")
            return nil
        }
    }

    /// Names of text entries.
    private enum Entry {
        /// What the file was made from.
        static let key = "rectifid-prepared-weights"
        /// Of the model's files when they were read, and what had been read.
        static let stamp = "rectifid-model-stamp", fingerprint = "rectifid-model-fingerprint"
    }

    public func tensor(
        _ name: String, _ shape: Shape, _ precision: Precision, make: () throws(TensorError) -> Tensor
    ) throws(TensorError) -> Tensor {
        let count = shape.count * precision.byteCount
        // Whole words only, so that every tensor of the file is aligned.
        guard count >= PreparedWeights.leastByteCount, count % 4 == 0 else { return try make() }
        let kept = kept(name, shape, precision)
        let tensor = if let kept { kept } else { try make() }
        state.withLock { state in
            state.tensors[name] = tensor
            if kept == nil { state.made += 1 }
        }
        return tensor
    }

    /// A tensor of the file, if it is what it was written as.
    private func kept(_ name: String, _ shape: Shape, _ precision: Precision) -> Tensor? {
        guard let file, file.contains(name), let tensor = try? file.numbers(name, shape).borrowed(),
            tensor.precision == precision
        else { return nil }
        if file.metadata[name] == PreparedWeights.digest(tensor) { return tensor }
        state.withLock { $0.problems.append("\(path): \(name) is damaged") }
        return nil
    }

    private static func digest(_ tensor: Tensor) -> String {
        tensor.withBytes { Fingerprint(of: $0).description }
    }

    /// Whether all that was asked for came from the file.
    public var isComplete: Bool { state.withLock { $0.made == 0 } }

    /// Why a file that was there, or parts of it, was not used.
    public var problems: [String] { state.withLock { $0.problems } }

    /// Writes all that was asked for, for the next process; in memory it stays as it is.
    ///
    /// - Throws: ``CheckpointError`` where the system refuses; nothing is left of the new file then.
    public func write() throws(CheckpointError) {
        // Those that fill whole lines of the processor's cache first, so that they start with one.
        let tensors = state.withLock { $0.tensors }.sorted { a, b in
            func key(_ tensor: Tensor) -> Int { (tensor.shape.count * tensor.precision.byteCount) % 64 == 0 ? 0 : 1 }
            return (key(a.value), a.key) < (key(b.value), b.key)
        }.map { (name: $0.key, tensor: $0.value) }
        var metadata = [Entry.key: key]
        if let stamp { (metadata[Entry.stamp], metadata[Entry.fingerprint]) = (stamp.text, fingerprint.state) }
        for (name, tensor) in tensors { metadata[name] = PreparedWeights.digest(tensor) }
        let header = try Safetensors.header(
            tensors.map { ($0.name, $0.tensor.precision == .float32 ? .float32 : .bfloat16, $0.tensor.shape) },
            metadata: metadata, alignment: 64, file: path)
        let count = tensors.reduce(header.count) { $0 + $1.tensor.shape.count * $1.tensor.precision.byteCount }
        let file = try PartialFile(path, byteCount: count)
        try header.span.withUnsafeBytes { (bytes) throws(CheckpointError) in try file.append(bytes) }
        for (_, tensor) in tensors {
            try tensor.withBytes { (bytes) throws(CheckpointError) in try file.append(bytes) }
        }
        try file.complete()
    }
}
