/// Element-wise arithmetic of two tensors.
public enum BinaryOperation: Sendable { case add, subtract, multiply, divide }

/// Pointwise non-linearities; `gelu` is by the error function, `quickGELU` is x sigmoid(1.702 x).
public enum Activation: Sendable, CaseIterable { case silu, gelu, quickGELU, sigmoid, tanh, relu, exp, sqrt }

/// Strides, borders, dilation and groups of a convolution or a pooling window.
public struct Window: Sendable, Hashable {
    public var stride: (height: Int, width: Int) { (strideHeight, strideWidth) }
    public var strideHeight, strideWidth: Int
    public var top, left, bottom, right: Int
    public var dilationHeight, dilationWidth: Int
    public var groups: Int
    /// How often the convolution sees each pixel in each direction: 2 for a picture enlarged by nearest neighbour.
    public var repeats = 1

    /// - Parameters:
    ///   - stride: Pixels between neighbouring outputs, both axes.
    ///   - padding: Zeros around the picture, all sides.
    ///   - repeats: Times that the convolution sees each pixel in each direction, at least 1.
    public init(stride: Int = 1, padding: Int = 0, repeats: Int = 1) {
        self.init(strides: (stride, stride), padding: (padding, padding, padding, padding))
        self.repeats = repeats
    }

    public init(
        strides: (height: Int, width: Int) = (1, 1), padding: (top: Int, left: Int, bottom: Int, right: Int),
        dilations: (height: Int, width: Int) = (1, 1), groups: Int = 1
    ) {
        (strideHeight, strideWidth) = strides
        (top, left, bottom, right) = padding
        (dilationHeight, dilationWidth) = dilations
        self.groups = groups
    }

    /// Height and width of the output for a picture and a kernel, nil where nothing fits.
    public func outputSize(height: Int, width: Int, kernelHeight: Int, kernelWidth: Int) -> (height: Int, width: Int)? {
        func extent(_ size: Int, _ kernel: Int, _ dilation: Int, _ pads: Int, _ stride: Int) -> Int? {
            guard kernel > 0, stride > 0, dilation > 0 else { return nil }
            let free = size + pads - ((kernel - 1) * dilation + 1)
            return free < 0 ? nil : free / stride + 1
        }
        guard let h = extent(height * repeats, kernelHeight, dilationHeight, top + bottom, strideHeight),
            let w = extent(width * repeats, kernelWidth, dilationWidth, left + right, strideWidth)
        else { return nil }
        return (h, w)
    }
}

/// An affine map of pixel coordinates: (x, y) to (a x + b y + c, d x + e y + f), pixel centres on integers.
public struct AffineMap: Sendable, Hashable {
    public var a, b, c, d, e, f: Double

    public init(_ a: Double, _ b: Double, _ c: Double, _ d: Double, _ e: Double, _ f: Double) {
        (self.a, self.b, self.c, self.d, self.e, self.f) = (a, b, c, d, e, f)
    }
}

/// A convolution's frozen weights as a device wants them; made once, used by every call.
public protocol Filter: Sendable {
    /// `[O, kernel height, kernel width, I / groups]`, whatever the device keeps inside.
    var shape: Shape { get }
    /// Of the products with them.
    var precision: Precision { get }
}

/// A linear map's frozen weights as a device wants them; made once, used by every call.
public protocol Matrix: Sendable {
    /// `[outputs, inputs]`.
    var shape: Shape { get }
    /// Of the products with them.
    var precision: Precision { get }
}

/// The seam between what networks compute and the machine that computes it.
///
/// One requirement per primitive, its derivative beside it; nothing above this protocol knows a kernel, a thread or a
/// library. Operands have been checked by `Autodiff`, which is the only caller, so a device may rely on fitting shapes;
/// it throws ``TensorError`` where memory runs out. Derivatives are towards inputs only, since weights are frozen.
/// Pictures are `[N, H, W, C]`.
///
/// Operands may be in either ``Precision``. Results are float32 unless the operation is told otherwise or says so.
/// Statistics, softmax and sums are float32 or double always.
public protocol Device: Sendable {
    /// Bytes that the tensors of the process take, those of other jobs included.
    var memoryInUse: Int { get }
    /// Keeps free memory for later tensors only as far as these and it take so many bytes; without limit before.
    func limitMemory(to bytes: Int)
    /// Watches the most that ``memoryInUse`` is from now on.
    func watchMemory() -> MemoryPeak

    /// Takes weights `[O, kernel height, kernel width, I / groups]`; every product with them is in `precision`. A filter
    /// may be prepared for one window alone, which then is the only one that it can be used with.
    func filter(_ weights: LayerWeights, _ precision: Precision, for window: Window?) throws(TensorError) -> any Filter
    /// Takes weights `[outputs, inputs]`; every product with them is in `precision`.
    func matrix(_ weights: LayerWeights, _ precision: Precision) throws(TensorError) -> any Matrix

    // Arithmetic. Extents of 1 are broadcast; `result` is the shape after broadcasting. Sums of two bfloat16 tensors of
    // one shape stay bfloat16.
    func binary(_ op: BinaryOperation, _ a: Tensor, _ b: Tensor, result: Shape) throws(TensorError) -> Tensor
    /// Sums over the axes in which `shape` has extent 1 and `x` has more; same rank.
    func sum(_ x: Tensor, to shape: Shape) throws(TensorError) -> Tensor
    func affine(_ x: Tensor, scale: Float, shift: Float) throws(TensorError) -> Tensor
    func clamp(_ x: Tensor, low: Float, high: Float) throws(TensorError) -> Tensor
    func clampGradient(_ x: Tensor, _ dy: Tensor, low: Float, high: Float) throws(TensorError) -> Tensor
    func absolute(_ x: Tensor) throws(TensorError) -> Tensor
    func absoluteGradient(_ x: Tensor, _ dy: Tensor) throws(TensorError) -> Tensor
    /// Sum of products over all elements, in double.
    func dot(_ a: Tensor, _ b: Tensor) -> Double

    // Non-linearities.
    func activate(_ f: Activation, _ x: Tensor) throws(TensorError) -> Tensor
    func activateGradient(_ f: Activation, _ x: Tensor, _ dy: Tensor) throws(TensorError) -> Tensor
    /// Slope per channel `[C]` where x <= 0.
    func prelu(_ x: Tensor, slope: Tensor) throws(TensorError) -> Tensor
    func preluGradient(_ x: Tensor, slope: Tensor, _ dy: Tensor) throws(TensorError) -> Tensor
    /// `[.., 2C]` to `[.., C]`: first half times GELU of the second. In the format of `x`, as its derivative is.
    func geglu(_ x: Tensor) throws(TensorError) -> Tensor
    func gegluGradient(_ x: Tensor, _ dy: Tensor) throws(TensorError) -> Tensor
    /// Over the innermost axis.
    func softmax(_ x: Tensor) throws(TensorError) -> Tensor
    func softmaxGradient(_ y: Tensor, _ dy: Tensor) throws(TensorError) -> Tensor

    // Products.
    /// `[.., I]` times `[O, I]` transposed plus `[O]`.
    func linear(
        _ x: Tensor, _ weights: any Matrix, bias: Tensor?, result: Precision
    ) throws(TensorError) -> Tensor
    func linearInputGradient(_ dy: Tensor, _ weights: any Matrix, result: Precision) throws(TensorError) -> Tensor
    /// Batched product of `[B, M, K]` (or `[B, K, M]` transposed) and `[B, K, N]` (or `[B, N, K]`).
    func product(
        _ a: Tensor, transposed: Bool, _ b: Tensor, transposed: Bool
    ) throws(TensorError) -> Tensor
    func convolve(
        _ x: Tensor, _ filter: any Filter, bias: Tensor?, _ window: Window, result: Precision
    ) throws(TensorError) -> Tensor
    func convolveInputGradient(
        _ dy: Tensor, _ filter: any Filter, _ window: Window, input: Shape, result: Precision
    ) throws(TensorError) -> Tensor
    /// Scaled dot-product attention of `[N, T, heads * D]` over `[N, S, heads * D]`; also the log-sum-exp of the scores
    /// `[N, heads, T]`. Scores are scaled by 1 / sqrt(D). `causal` hides later positions. In the format of `q`, as the
    /// derivatives are.
    func attention(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int, causal: Bool
    ) throws(TensorError) -> (output: Tensor, logSumExp: Tensor)
    /// dL/dq, dL/dk, dL/dv; those of k and v only where asked, since a text's keys need none.
    func attentionGradient(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, output: Tensor, logSumExp: Tensor, _ dy: Tensor, heads: Int,
        causal: Bool,
        keysAndValues: Bool
    ) throws(TensorError) -> (q: Tensor, k: Tensor?, v: Tensor?)

    // Normalisation.
    /// Statistics `[N, 2, groups]` (mean, 1 / deviation) travel to the derivative. With `silu`, SiLU follows.
    func groupNorm(
        _ x: Tensor, groups: Int, weight: Tensor, bias: Tensor, epsilon: Float, silu: Bool, result: Precision
    ) throws(TensorError) -> (output: Tensor, statistics: Tensor)
    func groupNormGradient(
        _ x: Tensor, statistics: Tensor, groups: Int, weight: Tensor, bias: Tensor, silu: Bool, _ dy: Tensor,
        result: Precision
    ) throws(TensorError) -> Tensor
    /// Over the innermost axis; statistics `[2, rows]`.
    func layerNorm(
        _ x: Tensor, weight: Tensor, bias: Tensor, epsilon: Float, result: Precision
    ) throws(TensorError) -> (output: Tensor, statistics: Tensor)
    func layerNormGradient(
        _ x: Tensor, statistics: Tensor, weight: Tensor, _ dy: Tensor, result: Precision
    ) throws(TensorError) -> Tensor

    // Moving data.
    func transpose(_ x: Tensor, axes: [Int]) throws(TensorError) -> Tensor
    func slice(_ x: Tensor, axis: Int, range: Range<Int>) throws(TensorError) -> Tensor
    /// Writes `x` into zeros of shape `shape`, starting at `start` along `axis`: the derivative of a slice.
    func embed(_ x: Tensor, in shape: Shape, axis: Int, start: Int) throws(TensorError) -> Tensor
    func concatenate(_ parts: [Tensor], axis: Int) throws(TensorError) -> Tensor
    /// Rows `indices` of `[rows, C]`.
    func gather(_ table: Tensor, rows: [Int]) throws(TensorError) -> Tensor

    // Pictures.
    /// Nearest neighbour: output pixel i takes input pixel floor(i * from / to).
    func resizeNearest(_ x: Tensor, height: Int, width: Int) throws(TensorError) -> Tensor
    func resizeNearestGradient(_ dy: Tensor, input: Shape) throws(TensorError) -> Tensor
    /// Bilinear, half-pixel centres, clamped borders, no anti-aliasing.
    func resize(_ x: Tensor, height: Int, width: Int) throws(TensorError) -> Tensor
    func resizeGradient(_ dy: Tensor, input: Shape) throws(TensorError) -> Tensor
    func maxPool(_ x: Tensor, kernel: (height: Int, width: Int), _ window: Window) throws(TensorError) -> Tensor
    func maxPoolGradient(
        _ x: Tensor, _ dy: Tensor, kernel: (height: Int, width: Int), _ window: Window
    ) throws(TensorError) -> Tensor
    /// Output pixel (x, y) samples the picture at `map(x, y)`, bilinear, zeros outside.
    func warp(_ x: Tensor, _ map: AffineMap, height: Int, width: Int) throws(TensorError) -> Tensor
    func warpGradient(_ dy: Tensor, _ map: AffineMap, input: Shape) throws(TensorError) -> Tensor
}

extension Device {
    /// Takes weights for products in float32.
    public func filter(_ weights: Tensor) throws(TensorError) -> any Filter { try filter(weights, .float32, for: nil) }

    /// Takes weights that are in memory.
    public func filter(
        _ weights: Tensor, _ precision: Precision, for window: Window?
    ) throws(TensorError) -> any Filter { try filter(LayerWeights(weights), precision, for: window) }

    /// Takes weights for products in float32.
    public func matrix(_ weights: Tensor) throws(TensorError) -> any Matrix { try matrix(weights, .float32) }

    /// Takes weights that are in memory.
    public func matrix(_ weights: Tensor, _ precision: Precision) throws(TensorError) -> any Matrix {
        try matrix(LayerWeights(weights), precision)
    }
}
