import Dispatch
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Tensors

/// oneDNN against matrix products over patches, which are the reference.
@Suite struct ConvolutionProviderTests {
    struct Example: Sendable, CustomTestStringConvertible {
        let input, filter: Shape
        let window: Window
        var testDescription: String { "\(input) with \(filter), \(window)" }

        /// Picture, weights, bias and a gradient of the result.
        func operands() throws -> (x: Tensor, weights: Tensor, bias: Tensor, dy: Tensor) {
            var random = SeededNumbers(seed: 29)
            let size = try #require(
                window.outputSize(
                    height: input[1], width: input[2], kernelHeight: filter[1], kernelWidth: filter[2]))
            return (
                try random.tensor(input), try random.tensor(filter), try random.tensor([filter[0]]),
                try random.tensor([input[0], size.height, size.width, filter[0]])
            )
        }
    }

    /// Every processor with AVX2 has kernels for these.
    static let common: [Example] = [
        Example(input: [1, 16, 16, 64], filter: [64, 3, 3, 64], window: Window(padding: 1)),
        Example(input: [2, 33, 17, 32], filter: [48, 3, 3, 32], window: Window(padding: 1)),
        Example(input: [3, 64, 40, 3], filter: [20, 3, 3, 3], window: Window(stride: 2, padding: 1)),
        Example(input: [1, 40, 64, 32], filter: [3, 3, 3, 32], window: Window(padding: 1)),
        Example(input: [1, 31, 31, 16], filter: [24, 1, 1, 16], window: Window()),
        Example(input: [1, 30, 31, 16], filter: [24, 1, 1, 16], window: Window(stride: 2)),
        Example(input: [1, 48, 48, 16], filter: [16, 4, 4, 16], window: Window(stride: 4)),
        Example(input: [1, 37, 37, 32], filter: [32, 3, 3, 1], window: Window(padding: (0, 1, 1, 0), groups: 32)),
    ]

    /// Where kernels are missing for some strips, derivatives or processors.
    static let rare: [Example] = [
        Example(
            input: [2, 41, 38, 24], filter: [32, 3, 5, 12],
            window: Window(strides: (2, 3), padding: (0, 3, 2, 1), dilations: (2, 1), groups: 2)),
        Example(input: [1, 40, 40, 8], filter: [8, 7, 7, 8], window: Window(strides: (3, 3), padding: (5, 6, 4, 2))),
        // The second strip of the derivative ends in rows that no output touches.
        Example(
            input: [1, 43, 43, 16], filter: [16, 2, 2, 16], window: Window(strides: (5, 4), padding: (1, 0, 0, 0))),
        // No kernel takes these: padding beyond the kernel, taken off rather than put on.
        Example(input: [1, 20, 20, 8], filter: [8, 3, 3, 8], window: Window(padding: (9, 9, 9, 9))),
        Example(input: [1, 20, 20, 8], filter: [8, 3, 3, 8], window: Window(padding: (-2, -1, 3, 0))),
        // Too little for a second thread.
        Example(input: [1, 1, 1, 5], filter: [7, 1, 1, 5], window: Window()),
        Example(input: [0, 8, 8, 16], filter: [16, 3, 3, 16], window: Window(padding: 1)),
    ]

    private let reference = CPU(threads: 1, convolution: .openBLAS)

    @Test(arguments: common + rare, [1, 2, 5]) func providersAgree(_ example: Example, threads: Int) throws {
        let (x, weights, bias, dy) = try example.operands()
        let filter = try reference.filter(weights)
        for provider in [ConvolutionProvider.automatic, .oneDNN] {
            let cpu = CPU(threads: threads, convolution: provider)
            for bias in [nil, bias] {
                expectClose(
                    try cpu.convolve(x, filter, bias: bias, example.window, result: .float32),
                    try reference.convolve(x, filter, bias: bias, example.window, result: .float32), within: 2e-6,
                    "output")
            }
            expectClose(
                try cpu.convolveInputGradient(dy, filter, example.window, input: example.input, result: .float32),
                try reference.convolveInputGradient(dy, filter, example.window, input: example.input, result: .float32),
                within: 2e-6,
                "gradient")
        }
    }

    /// An interrupted job continues bit for bit, on fresh filters and beside other jobs.
    @Test func everyRunGivesTheSameBitsHoweverManyRunAtOnce() throws {
        let example = Example(input: [1, 48, 48, 32], filter: [40, 3, 3, 32], window: Window(padding: 1))
        let (x, weights, bias, dy) = try example.operands()
        let cpu = CPU(threads: 3, convolution: .oneDNN)
        @Sendable func run(_ filter: any Filter) throws(TensorError) -> [UInt32] {
            let y = try cpu.convolve(x, filter, bias: bias, example.window, result: .float32)
            let dx = try cpu.convolveInputGradient(dy, filter, example.window, input: example.input, result: .float32)
            return (y.elements + dx.elements).map(\.bitPattern)
        }
        let expected = try run(try cpu.filter(weights))
        let shared = try cpu.filter(weights)
        let wrong = Mutex(0), finished = Mutex(0)
        DispatchQueue.concurrentPerform(iterations: 24) { index in
            let filter = index.isMultiple(of: 2) ? shared : (try? cpu.filter(weights))
            let same = filter.flatMap { try? run($0) } == expected
            wrong.withLock { $0 += same ? 0 : 1 }
            finished.withLock { $0 += 1 }
        }
        #expect(wrong.withLock { $0 } == 0)
        #expect(finished.withLock { $0 } == 24)
    }

    #if arch(x86_64)
        private static let processor = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        private static let hasAVX2 = processor.contains(" avx2 ")
        /// With AVX-512 oneDNN 2.6 has no depthwise kernel for pictures whose channels lie together.
        private static let withKernels = common.filter {
            $0.window.groups == 1 || !processor.contains(" avx512f ")
        }

        /// Otherwise the tests above would compare the reference with itself.
        @Test(.enabled(if: hasAVX2), arguments: withKernels) func kernelsAreThere(_ example: Example) throws {
            let filter = try ConvolutionFilter(weights: LayerWeights(try example.operands().weights))
            let geometry = try ConvolutionGeometry(
                input: example.input, filter: example.filter, example.window, "convolve")
            for threads in [1, 2, 5] {
                for kind in [DirectConvolution.Kind.forward, .forwardWithBias, .inputGradient] {
                    let cpu = CPU(threads: threads, convolution: .oneDNN)
                    let strips = try #require(
                        try cpu.directStrips(geometry, filter, kind, result: .float32, "convolve"))
                    #expect(strips.count <= threads)
                    #expect(strips.allSatisfy { !$0.convolution.kernel.hasPrefix("ref") })
                    let none = CPU(threads: threads, convolution: .openBLAS)
                    #expect(try none.directStrips(geometry, filter, kind, result: .float32, "convolve") == nil)
                }
            }
        }

        @Test func aRefusalOfTheLibraryNamesTheOperation() throws {
            let window = Window(padding: (top: -1, left: 0, bottom: 0, right: 0))
            let problem = DirectConvolution.Problem(
                kind: .forward, height: 8, width: 8, channels: 16, outHeight: 6, outWidth: 6, outputs: 16,
                kernelHeight: 3, kernelWidth: 3, window: window)
            let error = try #require(throws: TensorError.self) {
                _ = try DirectConvolution.compiled(problem, "convolve")
            }
            #expect(error.operation == "convolve" && !error.isOutOfMemory && error.problem.hasPrefix("oneDNN "))
            #expect(error.description.contains("[8, 8, 16] to [6, 6, 16]"), "\(error)")
        }
    #endif

    @Test func theLeastRecentlyUsedIsForgotten() {
        var recent = RecentlyUsed<Int, String>(capacity: 2)
        recent.keep("a", for: 1)
        recent.keep("b", for: 2)
        #expect(recent.find(1) == "a")
        recent.keep("c", for: 3)
        #expect(recent.find(2) == nil)
        #expect(recent.find(1) == "a")
        #expect(recent.find(3) == "c")
        recent.keep("d", for: 3)
        #expect(recent.count == 2 && recent.find(3) == "d" && recent.find(1) == "a")
    }

    @Test func theEnvironmentNamesAProvider() {
        #expect(ConvolutionProvider(rawValue: "openblas") == .openBLAS)
        #expect(ConvolutionProvider(rawValue: "onednn") == .oneDNN)
        #expect(ConvolutionProvider.named(byEnvironment: "RECTIFID_NO_SUCH_VARIABLE") == .automatic)
    }
}
