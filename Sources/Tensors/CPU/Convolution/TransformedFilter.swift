/// Weights of a 3 x 3 kernel as their transforms, for convolutions by few products in one format of numbers.
protocol TransformedFilter: Sendable {
    static var precision: Precision { get }
    var channels: Int { get }
    var outputs: Int { get }
    /// Whether the picture is first enlarged twofold by repeating pixels.
    var enlarges: Bool { get }
}

extension TransformedFilter {
    /// Multiplications and additions of the plain convolution.
    fileprivate func operations(results: Shape) -> Double { 18 * Double(results.count) * Double(channels) }

    fileprivate var note: String { enlarges ? "enlarged twofold" : "" }

    /// The plain weights.
    fileprivate var reported: OperationWeights? {
        (try? Shape([outputs, 3, 3, channels])).map { OperationWeights(shape: $0, precision: Self.precision) }
    }
}

extension CPU {
    /// Whether few products take a filter `[O, kh, kw, I]` under a window: a kernel of 3 x 3 over every pixel with one zero
    /// around, of the picture or of twice its size; channels are whole rows of registers.
    func canTransform(_ filter: Shape, _ window: Window) -> Bool {
        var plain = Window(padding: 1)
        plain.repeats = window.repeats
        return convolutionProvider == .automatic && filter[1] == 3 && filter[2] == 3 && filter[0] % 16 == 0
            && filter[3] % 16 == 0 && filter.count > 0 && window == plain && window.repeats <= 2
    }

    /// Runs a convolution and reports it as the plain one.
    func convolving(
        _ x: Tensor, _ filter: some TransformedFilter, _ body: (_ output: Shape) throws(TensorError) -> Tensor
    ) throws(TensorError) -> Tensor {
        let scale = filter.enlarges ? 2 : 1
        let shape = try Shape([x.shape[0], scale * x.shape[1], scale * x.shape[2], filter.outputs])
        return try profiled(
            "convolve", operations: filter.operations(results: shape), of: [x], by: filter.reported, note: filter.note
        ) { () throws(TensorError) in try body(shape) }
    }

    /// Runs its derivative.
    func convolvingGradient(
        _ dy: Tensor, _ filter: some TransformedFilter, _ body: () throws(TensorError) -> Tensor
    ) throws(TensorError) -> Tensor {
        try profiled(
            "convolve gradient", operations: filter.operations(results: dy.shape), of: [dy], by: filter.reported,
            note: filter.note, body)
    }
}
