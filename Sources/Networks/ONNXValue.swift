import Checkpoints
import Tensors

/// A value of an ONNX graph while it is compiled: where its numbers will be, and how they lie in memory.
///
/// ONNX pictures are `[N, C, H, W]`, the engine's are `[N, H, W, C]`. `extents` are always the file's; `layout` says how
/// that relates to memory, so that elements are moved only where an operator's meaning depends on their order.
struct ONNXValue {
    enum Source {
        /// Computed by a step, or an input.
        case slot(Int)
        /// Known when the graph is compiled.
        case constant(Tensor)
        /// Integers that describe shapes, axes and indices: all known when the graph is compiled.
        case integers([Int])
        /// A weight that a prepared filter has replaced.
        case released
    }

    enum Layout: Equatable {
        /// Memory has the order of `extents`.
        case plain
        /// `extents` are `[N, C, H, W]`, memory is `[N, H, W, C]`.
        case channelsLast
        /// `extents` are `[N, C * H * W]`, memory is `[N, H * W * C]`: a picture just flattened.
        case flattened(channels: Int, height: Int, width: Int)
    }

    var source: Source
    /// The file's extents.
    var extents: [Int]
    var layout: Layout = .plain

    /// Extents in memory.
    var stored: [Int] {
        layout == .channelsLast ? ONNXValue.channelsLastAxes.map { extents[$0] } : extents
    }

    var count: Int { extents.reduce(1, *) }

    /// The axis in memory of an axis of the file.
    func storedAxis(_ axis: Int) -> Int { layout == .channelsLast ? [0, 3, 1, 2][axis] : axis }

    /// `[N, H, W, C]` from `[N, C, H, W]`.
    static let channelsLastAxes = [0, 2, 3, 1]
    /// `[N, C, H, W]` from `[N, H, W, C]`.
    static let channelsFirstAxes = [0, 3, 1, 2]
}

extension ONNXTensor {
    /// The tensor as a constant of a graph.
    var value: ONNXValue {
        switch elements {
        case .numbers(let tensor): ONNXValue(source: .constant(tensor), extents: extents)
        case .integers(let integers): ONNXValue(source: .integers(integers), extents: extents)
        }
    }
}
