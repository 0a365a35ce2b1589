/// Keeps the forms of weights that a device has prepared, so that another process need not prepare them again.
public protocol WeightShelf: Sendable {
    /// The tensor of that name, or what `make` makes where there is none of this shape and format.
    func tensor(
        _ name: String, _ shape: Shape, _ precision: Precision, make: () throws(TensorError) -> Tensor
    ) throws(TensorError) -> Tensor
}

/// Frozen weights of a layer on their way to a device: numbers that are read when something asks for them, and the place
/// where their prepared forms are kept, if there is one.
public struct LayerWeights {
    public let shape: Shape
    private let read: () throws(TensorError) -> Tensor
    /// Whether `read` gives memory that processes share already.
    private let isShared: Bool
    private let shelf: (any WeightShelf)?
    private let name: String

    /// Weights that are in memory, whose forms nobody keeps.
    public init(_ tensor: Tensor) {
        self.init(tensor.shape) { () throws(TensorError) in tensor }
    }

    /// - Parameters:
    ///   - shape: Of the numbers.
    ///   - name: What tells them from all others on the shelf.
    ///   - isShared: Whether the numbers are read as they are from a mapped file.
    ///   - shelf: Where prepared forms are kept.
    ///   - read: Gives the numbers as float32.
    public init(
        _ shape: Shape, name: String = "", isShared: Bool = false, on shelf: (any WeightShelf)? = nil,
        read: @escaping () throws(TensorError) -> Tensor
    ) {
        (self.shape, self.read, self.isShared, self.shelf, self.name) = (shape, read, isShared, shelf, name)
    }

    /// The machine that prepares them.
    public var device: any Device { CPU.shared }

    /// The numbers themselves, float32.
    public func tensor() throws(TensorError) -> Tensor { try plain(.float32) }

    /// The same numbers under another shape.
    ///
    /// - Throws: ``TensorError`` where the element counts differ.
    public func reshaped(_ shape: Shape) throws(TensorError) -> LayerWeights {
        guard shape.count == self.shape.count else {
            throw TensorError.mismatch("reshape", self.shape, shape, "element counts differ")
        }
        return LayerWeights(shape, name: name, isShared: isShared, on: shelf) { () throws(TensorError) in
            try read().reshaped(shape)
        }
    }

    /// The same numbers with their axes in another order; an axis of theirs for each of the result's.
    public func transposed(_ axes: [Int]) throws(TensorError) -> LayerWeights {
        LayerWeights(try Shape(axes.map { shape[$0] }), name: name, on: shelf) { () throws(TensorError) in
            let numbers = try read()
            return try numbers.device.transpose(numbers, axes: axes)
        }
    }

    /// The numbers in a format.
    func plain(_ precision: Precision) throws(TensorError) -> Tensor {
        if isShared, precision == .float32 { return try read() }
        return try form("plain", shape, precision) { (numbers) throws(TensorError) in
            try numbers.converted(to: precision)
        }
    }

    /// A form of the weights, from the shelf or from the numbers.
    ///
    /// - Parameter name: What the bytes are; ``CPU/weightLayout`` changes when a form of a name does.
    func form(
        _ form: String, _ shape: Shape, _ precision: Precision, make: (Tensor) throws(TensorError) -> Tensor
    ) throws(TensorError) -> Tensor {
        guard let shelf else { return try make(try read()) }
        return try shelf.tensor("\(name):\(form)", shape, precision) { () throws(TensorError) in try make(try read()) }
    }
}

extension CPU {
    /// What forms of weights this process prepares: a version, raised whenever the bytes of a form change, and what they
    /// depend on of the machine and the environment.
    public var weightLayout: String {
        var forms: [String] = []
        #if arch(x86_64)
            if CPU.hasFewProducts && convolutionProvider == .automatic { forms.append("packed1") }
        #endif
        if CPU.hasWideProduct && convolutionProvider == .automatic { forms.append("wide2") }
        return forms.isEmpty ? "plain1" : forms.joined(separator: "-")
    }
}
