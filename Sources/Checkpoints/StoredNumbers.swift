import Tensors

/// Floating-point numbers of a file, checked and not read.
struct StoredNumbers: Sendable {
    private let place: Safetensors.Place
    private let type: ElementType

    init(_ place: Safetensors.Place, _ name: String) throws(CheckpointError) {
        switch place.entry.number {
        case .float32: type = .float32
        case .float16: type = .float16
        case .bfloat16: type = .bfloat16
        default:
            throw CheckpointError(
                .mismatched, file: place.file.path,
                "tensor \(name.debugDescription) has dtype \(place.entry.number.rawValue); F32, F16 or BF16 is needed")
        }
        self.place = place
    }

    /// Whether ``tensor()`` is the mapped file's own memory.
    ///
    /// What needs no conversion is not copied either: processes of one machine then share one copy of a model.
    var isShared: Bool { type == .float32 && isAligned }

    private var isAligned: Bool {
        UInt(bitPattern: place.bytes.baseAddress) % UInt(MemoryLayout<Float>.alignment) == 0 && !place.bytes.isEmpty
    }

    /// The numbers as float32.
    func tensor() throws(TensorError) -> Tensor {
        isShared
            ? try Tensor(borrowing: place.bytes, shape: place.entry.shape, owner: place.file)
            : try Tensor(widening: place.bytes, type, shape: place.entry.shape)
    }

    /// The numbers as they are stored, in the mapped file's own memory; nil where that is not aligned or they are float16.
    func borrowed() throws(TensorError) -> Tensor? {
        guard isAligned, type != .float16 else { return nil }
        return try Tensor(
            borrowing: place.bytes, type == .float32 ? .float32 : .bfloat16, shape: place.entry.shape,
            owner: place.file)
    }
}
