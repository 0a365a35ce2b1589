import Autodiff
import Checkpoints
import Layers
import Tensors

/// A level on the way down: residual blocks, each with a transformer where the level attends, then half the resolution.
struct UNetDownBlock: Sendable {
    private let residuals: [ResidualBlock]  // resnets
    private let transformers: [SpatialTransformer]  // attentions
    private let downsample: Convolution?  // downsamplers.0.conv; not at the lowest level

    init(
        _ weights: Weights, _ configuration: UNetConfiguration, level index: Int, sites: inout [Attention]
    ) throws(CheckpointError) {
        let level = configuration.levels[index]
        let above = configuration.levels[max(index - 1, 0)].channels
        var residuals: [ResidualBlock] = []
        var transformers: [SpatialTransformer] = []
        for layer in 0..<level.layers {
            residuals.append(
                try ResidualBlock(
                    weights["resnets"][layer], from: layer == 0 ? above : level.channels, to: level.channels,
                    timeWidth: configuration.timeWidth, groups: configuration.normGroups,
                    epsilon: configuration.normEpsilon))
            if level.transformersDown > 0 {
                transformers.append(
                    try SpatialTransformer(
                        weights["attentions"][layer], channels: level.channels, heads: level.heads,
                        layers: level.transformersDown, textWidth: configuration.textWidth,
                        groups: configuration.normGroups, sites: &sites))
            }
        }
        (self.residuals, self.transformers) = (residuals, transformers)
        let isLowest = index == configuration.levels.count - 1
        downsample =
            isLowest
            ? nil : try weights.convolution("downsamplers.0.conv", from: level.channels, to: level.channels, stride: 2)
    }

    /// `[N, H, W, C]` to half of H and W, rounded up; every intermediate result joins the skips.
    func callAsFunction(
        _ x: Variable, _ time: Variable, _ text: TextConditioning, _ skips: inout [Variable]
    ) throws(TensorError) -> Variable {
        var x = x
        for (index, residual) in residuals.enumerated() {
            x = try residual(x, time: time)
            if !transformers.isEmpty { x = try transformers[index](x, text) }
            skips.append(x)
        }
        guard let downsample else { return x }
        x = try downsample(x)
        skips.append(x)
        return x
    }
}

/// The lowest level: two residual blocks around a transformer.
struct UNetMiddleBlock: Sendable {
    private let first, second: ResidualBlock  // resnets.0, resnets.1
    private let transformer: SpatialTransformer  // attentions.0

    init(
        _ weights: Weights, _ configuration: UNetConfiguration, sites: inout [Attention]
    ) throws(CheckpointError) {
        let level = configuration.levels[configuration.levels.count - 1]
        func residual(_ index: Int) throws(CheckpointError) -> ResidualBlock {
            try ResidualBlock(
                weights["resnets"][index], from: level.channels, to: level.channels, timeWidth: configuration.timeWidth,
                groups: configuration.normGroups, epsilon: configuration.normEpsilon)
        }
        first = try residual(0)
        transformer = try SpatialTransformer(
            weights["attentions"][0], channels: level.channels, heads: level.heads,
            layers: configuration.middleTransformers ?? 0, textWidth: configuration.textWidth,
            groups: configuration.normGroups, sites: &sites)
        second = try residual(1)
    }

    /// `[N, H, W, C]` to the same shape.
    func callAsFunction(_ x: Variable, _ time: Variable, _ text: TextConditioning) throws(TensorError) -> Variable {
        try second(try transformer(try first(x, time: time), text), time: time)
    }
}

/// A level on the way up: residual blocks that each take a skip, with transformers, then the resolution of the next skip.
struct UNetUpBlock: Sendable {
    private let residuals: [ResidualBlock]  // resnets
    private let transformers: [SpatialTransformer]  // attentions
    private let upsample: Convolution?  // upsamplers.0.conv; not at the highest level

    init(
        _ weights: Weights, _ configuration: UNetConfiguration, level index: Int, sites: inout [Attention]
    ) throws(CheckpointError) {
        let levels = configuration.levels
        let level = levels[index]
        let below = levels[min(index + 1, levels.count - 1)].channels
        let above = levels[max(index - 1, 0)].channels
        var residuals: [ResidualBlock] = []
        var transformers: [SpatialTransformer] = []
        for layer in 0...level.layers {
            let skip = layer == level.layers ? above : level.channels
            residuals.append(
                try ResidualBlock(
                    weights["resnets"][layer], from: (layer == 0 ? below : level.channels) + skip, to: level.channels,
                    timeWidth: configuration.timeWidth, groups: configuration.normGroups,
                    epsilon: configuration.normEpsilon))
            if level.transformersUp > 0 {
                transformers.append(
                    try SpatialTransformer(
                        weights["attentions"][layer], channels: level.channels, heads: level.heads,
                        layers: level.transformersUp, textWidth: configuration.textWidth,
                        groups: configuration.normGroups, sites: &sites))
            }
        }
        (self.residuals, self.transformers) = (residuals, transformers)
        upsample =
            index == 0
            ? nil
            : try weights.convolution("upsamplers.0.conv", from: level.channels, to: level.channels, repeats: 2)
    }

    /// `[N, H, W, C]` to twice H and W, or one less where the skip has one less.
    func callAsFunction(
        _ x: Variable, _ time: Variable, _ text: TextConditioning, _ skips: inout [Variable]
    ) throws(TensorError) -> Variable {
        var x = x
        for (index, residual) in residuals.enumerated() {
            guard let skip = skips.popLast() else { throw TensorError("U-Net", "more blocks up than down") }
            x = try residual(try .concatenating([x, skip.underPrompts(x.shape[0])], axis: 3), time: time)
            if !transformers.isEmpty { x = try transformers[index](x, text) }
        }
        guard let upsample, let skip = skips.last else { return x }
        if skip.shape[1] == 2 * x.shape[1], skip.shape[2] == 2 * x.shape[2] { return try upsample(x) }
        // An odd size ends in the middle of a repeated pixel.
        return try upsample.applied(to: try x.upsampled().cropped(toSizeOf: skip), Window(padding: 1))
    }
}

extension Variable {
    /// The top left part.
    ///
    /// Nearest neighbour to an odd size 2 n - 1 repeats every pixel but the last, so it is a part of
    /// nearest neighbour to 2 n.
    fileprivate func cropped(toSizeOf other: Variable) throws(TensorError) -> Variable {
        var x = self
        for axis in 1...2 where other.shape[axis] < x.shape[axis] {
            x = try x.sliced(axis: axis, 0..<other.shape[axis])
        }
        return x
    }
}
