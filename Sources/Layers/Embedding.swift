public import Tensors

/// A table of vectors, one per token or position.
public struct Embedding: Sendable {
    /// `[rows, C]`.
    public let table: Tensor

    /// - Throws: ``TensorError`` where the table is not a matrix.
    public init(table: Tensor) throws(TensorError) {
        guard table.shape.rank == 2 else {
            throw TensorError("embedding", "table of shape \(table.shape), not [rows, C]")
        }
        self.table = table
    }

    /// The vectors of the given rows, `[rows.count, C]`.
    ///
    /// - Throws: ``TensorError`` where the table has no such row.
    public func callAsFunction(_ rows: [Int]) throws(TensorError) -> Tensor {
        let (count, width) = (table.shape[0], table.shape[1])
        guard let row = rows.first(where: { $0 < 0 || $0 >= count }) else {
            return rows.isEmpty ? try Tensor([], shape: [0, width]) : try table.device.gather(table, rows: rows)
        }
        throw TensorError("embedding", "row \(row) of a table that has \(count)")
    }
}
