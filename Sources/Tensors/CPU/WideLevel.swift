internal import CKernels

/// Instructions that the kernels of products in float32 are compiled for.
enum WideLevel: CaseIterable {
    case portable, avx2, avx512

    /// What the calling thread takes: the most that the processor has.
    static var current: WideLevel {
        switch rectifid_wide_level_here() {
        case RECTIFID_WIDE_AVX512: .avx512
        case RECTIFID_WIDE_AVX2: .avx2
        default: .portable
        }
    }

    private var code: rectifid_wide_level {
        switch self {
        case .portable: RECTIFID_WIDE_PORTABLE
        case .avx2: RECTIFID_WIDE_AVX2
        case .avx512: RECTIFID_WIDE_AVX512
        }
    }

    /// For tests: runs `body` with no more than this level on the calling thread, where devices of one thread compute.
    func limiting<Result>(_ body: () throws -> Result) rethrows -> Result {
        rectifid_limit_wide_level(code)
        defer { rectifid_limit_wide_level(RECTIFID_WIDE_AVX512) }
        return try body()
    }
}

extension CPU {
    /// Whether this processor has registers that our own products of float32 numbers are made for; elsewhere they are left
    /// to OpenBLAS.
    static let hasWideRegisters: Bool = {
        #if arch(x86_64)
            hasWideProduct
        #else
            false
        #endif
    }()
}
