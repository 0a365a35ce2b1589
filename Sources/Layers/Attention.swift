public import Autodiff
public import Tensors

/// Keys and values of a sequence, made once where the sequence does not change: a prompt's, for every step and pass.
public struct KeysAndValues: Sendable {
    /// `[N, S, C]`.
    public let keys: Tensor
    /// `[N, S, C]`.
    public let values: Tensor
}

/// Multi-head scaled dot-product attention with its four projections.
public struct Attention: Sendable {
    let query, key, value, output: Linear
    public let heads: Int

    /// - Parameters:
    ///   - query: `[C, inputs]`, likewise `key` and `value`; C is divisible by the heads.
    ///   - output: `[outputs, C]`.
    /// - Throws: ``TensorError`` where the projections do not fit each other.
    public init(query: Linear, key: Linear, value: Linear, output: Linear, heads: Int) throws(TensorError) {
        let inner = query.weight.shape[0]
        guard key.weight.shape == value.weight.shape, key.weight.shape[0] == inner, output.weight.shape[1] == inner,
            heads > 0, inner % heads == 0
        else {
            throw .mismatch(
                "attention", query.weight.shape, key.weight.shape, "projections must fit, and \(heads) heads")
        }
        (self.query, self.key, self.value, self.output) = (query, key, value, output)
        self.heads = heads
    }

    /// Attention of a sequence to itself, `[N, T, inputs]` to `[N, T, outputs]`.
    ///
    /// - Parameter causal: Hides later positions, for text.
    public func callAsFunction(_ x: Variable, causal: Bool = false) throws(TensorError) -> Variable {
        let precision = x.tensor.precision
        let (keys, values) = (try key(x, result: precision), try value(x, result: precision))
        return try output(
            try query(x, result: precision).attending(keys: keys, values: values, heads: heads, causal: causal))
    }

    /// Attention to another sequence, which carries no gradient.
    public func callAsFunction(_ x: Variable, to other: KeysAndValues) throws(TensorError) -> Variable {
        try output(
            try query(x, result: x.tensor.precision).attending(
                keys: Variable(other.keys), values: Variable(other.values), heads: heads))
    }

    /// What ``callAsFunction(_:to:)`` needs of a sequence `[N, S, inputs]`.
    public func keysAndValues(of sequence: Tensor) throws(TensorError) -> KeysAndValues {
        let sequence = Variable(sequence)
        return KeysAndValues(
            keys: try key(sequence, result: key.weight.precision).tensor,
            values: try value(sequence, result: value.weight.precision).tensor)
    }
}
