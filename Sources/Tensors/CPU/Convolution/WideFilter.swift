internal import CKernels

/// Weights of a 3 x 3 kernel as their transforms, for the few products of `wide_winograd.h`, in float32.
///
/// One copy, which the derivative transposes part by part as it reads: 4 times the plain weights' memory by tiles of four,
/// 16 / 9 by tiles of two, as much as theirs where pixels repeat. A kernel compiled by oneDNN takes 3 times.
struct WideFilter: TransformedFilter {
    enum Kind: Sendable, Hashable { case byTwo, byFour, enlarging }

    static let precision = Precision.float32
    let kind: Kind
    let channels, outputs: Int
    let numbers: Tensor

    var enlarges: Bool { kind == .enlarging }
}

extension WideFilter.Kind {
    /// As what a shelf keeps it.
    fileprivate var form: String {
        switch self {
        case .byTwo: "wide by two"
        case .byFour: "wide by four"
        case .enlarging: "wide enlarging"
        }
    }

    var code: rectifid_wide_kind {
        switch self {
        case .byTwo: RECTIFID_WIDE_BY_TWO
        case .byFour: RECTIFID_WIDE_BY_FOUR
        case .enlarging: RECTIFID_WIDE_ENLARGING
        }
    }
}

/// Transforming filters.
extension CPU {
    /// The fewest channels and outputs of a filter by tiles of four.
    ///
    /// Tiles of four round three to five times as much as tiles of two. Networks with fewer channels take little time, and
    /// their results stay as close to exact ones as plain products bring them.
    private static let leastChannelsByFour = 128
    /// The most outputs of one.
    ///
    /// More outputs belong to small pictures, whose few tiles do not repay the memory: at 1280 channels a filter takes
    /// 105 MB by tiles of two and would take 236 MB.
    private static let mostOutputsByFour = 640

    /// Whether this processor has a kernel for few products in float32.
    static let hasWideProduct = rectifid_has_wide_product()

    /// How a convolution of `[O, 3, 3, I]` in float32 can be done by fewer products; nil where it cannot.
    func wideKind(_ filter: Shape, _ window: Window) -> WideFilter.Kind? {
        guard CPU.hasWideProduct, canTransform(filter, window) else { return nil }
        if window.repeats == 2 { return .enlarging }
        let isLarge = min(filter[0], filter[3]) >= CPU.leastChannelsByFour
        return isLarge && filter[0] <= CPU.mostOutputsByFour ? .byFour : .byTwo
    }

    /// Transforms float32 weights `[O, 3, 3, I]`.
    func wideFilter(_ weights: LayerWeights, _ kind: WideFilter.Kind) throws(TensorError) -> WideFilter {
        let (outputs, channels) = (weights.shape[0], weights.shape[3])
        let shape = try Shape([rectifid_wide_filter_numbers(kind.code, channels, outputs)])
        let numbers = try weights.form(kind.form, shape, .float32) { (weights) throws(TensorError) in
            let weights = try weights.widened()
            return try Tensor.building(shape, "filter") { out in
                split(rectifid_packed_panels(outputs), grain: max(1, (1 << 15) / max(1, channels * 48))) { part in
                    rectifid_wide_filter(
                        kind.code, weights.pointer, channels, outputs, part.lowerBound, part.upperBound, out)
                }
            }
        }
        return WideFilter(kind: kind, channels: channels, outputs: outputs, numbers: numbers)
    }
}
