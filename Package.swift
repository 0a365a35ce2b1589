// swift-tools-version: 6.2
import PackageDescription

/// Settings of every Swift target; upcoming features are named with the proposal that describes them.
let common: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),  // SE-0335
    .enableUpcomingFeature("InternalImportsByDefault"),  // SE-0409
    .enableUpcomingFeature("MemberImportVisibility"),  // SE-0444
    .treatAllWarnings(as: .error),
]

/// Settings of the modules that must not touch raw memory (SE-0458).
let safe: [SwiftSetting] = common + [.strictMemorySafety()]

// oneDNN, where it has kernels for the processor: Debian's for other architectures is built without any. The manifest
// knows the architecture that it is read on, and SwiftPM has no condition for it.
#if arch(x86_64)
    let convolution: [Target] = [
        .systemLibrary(name: "CDNNL", providers: [.apt(["libdnnl-dev"])]),
        .target(name: "CConvolution", dependencies: ["CDNNL"], linkerSettings: [.linkedLibrary("dnnl")]),
    ]
    let convolutionProviders: [Target.Dependency] = ["COpenBLAS", "CConvolution"]
#else
    let convolution: [Target] = []
    let convolutionProviders: [Target.Dependency] = ["COpenBLAS"]
#endif

let package = Package(
    name: "rectifid",
    products: [
        .executable(name: "rectifid", targets: ["rectifid"]),
        // For services that send jobs: the contract, the broker and the client, without the engine.
        .library(name: "RectifIDClient", targets: ["RectifIDClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: convolution + [
        // C libraries of the system: a module map and a header each.
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(
            name: "CProtobufC", pkgConfig: "libprotobuf-c",
            providers: [.apt(["libprotobuf-c-dev", "protobuf-c-compiler"])]),
        .systemLibrary(name: "CRabbitMQ", pkgConfig: "librabbitmq", providers: [.apt(["librabbitmq-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),

        // C of our own: kernels, the setjmp side of the picture codecs, bounded protobuf parsing, the heap; and generated C.
        .target(name: "CKernels", linkerSettings: [.linkedLibrary("m"), .linkedLibrary("pthread")]),
        .target(name: "CCodec", dependencies: ["CJPEG", "CPNG"]),
        .target(name: "CBoundedProtobuf", dependencies: ["CProtobufC"]),
        .target(name: "CHeap"),
        .target(name: "CMessages", dependencies: ["CProtobufC"]),
        .target(name: "COnnx", dependencies: ["CProtobufC"]),
        .target(name: "CTransfer", dependencies: ["CCurl", "COpenSSL"]),

        // Maths.
        .target(name: "Tensors", dependencies: ["CKernels"] + convolutionProviders, swiftSettings: common),
        .target(name: "Autodiff", dependencies: ["Tensors"], swiftSettings: safe),
        .target(name: "Layers", dependencies: ["Autodiff", "Tensors"], swiftSettings: safe),
        .target(name: "Checkpoints", dependencies: ["Tensors", "COnnx", "CBoundedProtobuf"], swiftSettings: common),
        .target(name: "Networks", dependencies: ["Layers", "Autodiff", "Checkpoints", "Tensors"], swiftSettings: safe),
        .target(name: "Flow", dependencies: ["Autodiff", "Tensors"], swiftSettings: safe),
        .target(
            name: "Discriminators", dependencies: ["Networks", "Checkpoints", "Autodiff", "Tensors"],
            swiftSettings: safe),
        .target(name: "Raster", dependencies: ["CCodec"], swiftSettings: common),
        .target(
            name: "Generation",
            dependencies: ["Networks", "Checkpoints", "Flow", "Discriminators", "Raster", "Autodiff", "Tensors"],
            swiftSettings: safe),
        .target(
            name: "Evaluation",
            dependencies: [
                "Generation", "Networks", "Checkpoints", "Flow", "Discriminators", "Raster", "Autodiff", "Tensors",
            ],
            swiftSettings: safe),
        .target(
            name: "Benchmark", dependencies: ["Networks", "Checkpoints", "Flow", "Autodiff", "Tensors"],
            swiftSettings: safe),
        .target(name: "DemoModel", resources: [.copy("Resources")], swiftSettings: safe),

        // Wire and broker.
        .target(
            name: "Messages", dependencies: ["CMessages", "CBoundedProtobuf", "CProtobufC"], swiftSettings: common),
        .target(
            name: "Broker", dependencies: ["CRabbitMQ", .product(name: "Logging", package: "swift-log")],
            swiftSettings: common),

        // The store that clients and workers share for large pictures.
        .target(name: "ObjectStores", swiftSettings: common),
        .target(name: "S3", dependencies: ["ObjectStores", "CTransfer"], swiftSettings: common),

        // The queue: a job as its client sees it, and as a worker does, without the engine.
        .target(
            name: "RectifIDClient",
            dependencies: ["Messages", "Broker", "ObjectStores", .product(name: "Logging", package: "swift-log")],
            swiftSettings: safe),
        .target(
            name: "Jobs",
            dependencies: [
                "RectifIDClient", "Raster", "Messages", "Broker", "ObjectStores", "CHeap",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], swiftSettings: safe),

        // For operators: metrics, traces, logs and a status port, which know no jobs; and a worker seen through them.
        .target(
            name: "Telemetry", dependencies: [.product(name: "Logging", package: "swift-log")], swiftSettings: common),
        .target(
            name: "Monitoring",
            dependencies: [
                "Telemetry", "Jobs", "RectifIDClient", "Messages", "Broker",
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: safe),

        // Where maths, wire and broker meet.
        .target(
            name: "Serving",
            dependencies: ["Jobs", "Generation", "Flow", "Tensors", "Raster", "Messages"], swiftSettings: safe),
        .executableTarget(
            name: "rectifid",
            dependencies: [
                "Serving", "Monitoring", "Telemetry", "Jobs", "RectifIDClient", "Generation", "Evaluation", "Benchmark",
                "Messages", "Broker", "ObjectStores", "S3", "DemoModel", "Raster", "Flow", "Checkpoints", "Autodiff",
                "Tensors",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ], swiftSettings: safe),

        .target(
            name: "TestSupport", dependencies: ["Autodiff", "Checkpoints", "Tensors"], path: "Tests/TestSupport",
            swiftSettings: common),
        .testTarget(name: "TensorsTests", dependencies: ["Tensors", "TestSupport"], swiftSettings: common),
        .testTarget(
            name: "AutodiffTests", dependencies: ["Autodiff", "Checkpoints", "Tensors", "TestSupport"],
            swiftSettings: common),
        .testTarget(
            name: "CheckpointsTests", dependencies: ["Checkpoints", "Tensors", "TestSupport"], swiftSettings: common),
        .testTarget(
            name: "NetworksTests",
            dependencies: ["Networks", "Layers", "Checkpoints", "Autodiff", "Tensors", "TestSupport"],
            swiftSettings: common),
        .testTarget(
            name: "FlowTests", dependencies: ["Flow", "Autodiff", "Checkpoints", "Tensors", "TestSupport"],
            swiftSettings: common),
        .testTarget(
            name: "DiscriminatorsTests",
            dependencies: [
                "Discriminators", "Networks", "Checkpoints", "Autodiff", "Tensors", "Raster", "TestSupport",
            ],
            swiftSettings: common),
        .testTarget(
            name: "RasterTests", dependencies: ["Raster"], resources: [.copy("Fixtures")], swiftSettings: common),
        .testTarget(name: "MessagesTests", dependencies: ["Messages", "CBoundedProtobuf"], swiftSettings: common),
        // Brokers, pools and faults for tests.
        .target(
            name: "BrokerTestSupport",
            dependencies: ["Broker", "RectifIDClient", .product(name: "Logging", package: "swift-log")],
            path: "Tests/BrokerTestSupport", swiftSettings: common),
        .testTarget(
            name: "BrokerTests",
            dependencies: ["Broker", "BrokerTestSupport", .product(name: "Logging", package: "swift-log")],
            swiftSettings: common),
        .testTarget(name: "ObjectStoresTests", dependencies: ["ObjectStores"], swiftSettings: common),
        .testTarget(
            name: "S3Tests", dependencies: ["S3", "ObjectStores"], resources: [.copy("Fixtures")],
            swiftSettings: common),
        .testTarget(
            name: "GenerationTests",
            dependencies: [
                "Generation", "Autodiff", "Checkpoints", "DemoModel", "Discriminators", "Flow", "Raster", "Tensors",
                "TestSupport",
            ],
            swiftSettings: common),
        .testTarget(
            name: "EvaluationTests",
            dependencies: ["Evaluation", "Flow", "Generation", "DemoModel", "Raster", "Tensors"],
            swiftSettings: common),
        .testTarget(
            name: "RectifIDClientTests",
            dependencies: [
                "RectifIDClient", "Broker", "Messages", "BrokerTestSupport",
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: common),
        .target(name: "TelemetryTestSupport", path: "Tests/TelemetryTestSupport", swiftSettings: common),
        .testTarget(
            name: "TelemetryTests",
            dependencies: [
                "Telemetry", "TelemetryTestSupport", "BrokerTestSupport",
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: common),
        .testTarget(
            name: "MonitoringTests",
            dependencies: [
                "Monitoring", "Telemetry", "TelemetryTestSupport", "BrokerTestSupport", "Jobs", "RectifIDClient",
                "Messages", "Broker", "Raster",
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: common),
        .testTarget(
            name: "JobsTests",
            dependencies: [
                "Jobs", "BrokerTestSupport", "RectifIDClient", "Broker", "Messages", "ObjectStores", "S3", "Raster",
                "DemoModel",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], swiftSettings: common),

        // Faults: a network that misbehaves, worker processes that are killed.
        .target(
            name: "TinyModel", dependencies: ["Jobs", "RectifIDClient", "Broker", "Messages", "Raster"],
            path: "Tests/TinyModel", swiftSettings: common),
        .executableTarget(
            name: "TinyWorker",
            dependencies: [
                "TinyModel", "Jobs", "RectifIDClient", "Broker", "Messages",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ], path: "Tests/TinyWorker", swiftSettings: common),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "rectifid", "TinyWorker", "BrokerTestSupport", "TelemetryTestSupport", "Jobs", "RectifIDClient",
                "Broker", "Messages", "DemoModel", "Raster",
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: common),
        .testTarget(
            name: "FaultTests",
            dependencies: [
                "BrokerTestSupport", "TinyModel", "TinyWorker", "Serving", "Jobs", "RectifIDClient", "Broker",
                "Messages", "Raster", "Generation", "DemoModel", .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: common),
    ],
    swiftLanguageModes: [.v6]
)

// For the sanitizers, which look at the queue side: the engine would take longer to build than all of that.
if Context.environment["RECTIFID_WITHOUT_ENGINE"] != nil {
    let engine: Set = [
        "CDNNL", "CConvolution", "COpenBLAS", "CKernels", "COnnx", "Tensors", "Autodiff", "Layers", "Checkpoints",
        "Networks", "Flow", "Discriminators", "Generation", "Evaluation", "Benchmark", "Serving", "rectifid",
    ]
    let ofEngine = engine.union(engine.map { "\($0)Tests" }).union(["TestSupport", "CommandTests"])
    package.products.removeAll { engine.contains($0.name) }
    package.targets.removeAll { ofEngine.contains($0.name) }
    // What the thread sanitizer does not see of Swift's runtime, told to it in every program of the tests.
    package.targets.append(.target(name: "CThreadSanitizer", path: "Tests/ThreadSanitizer"))
    for target in package.targets where ["BrokerTestSupport", "TinyModel"].contains(target.name) {
        target.dependencies.append("CThreadSanitizer")
    }
    for target in package.targets where target.name == "FaultTests" {
        target.dependencies.removeAll { if case .byNameItem(let name, _) = $0 { engine.contains(name) } else { false } }
        target.exclude.append("ModelResumeTests.swift")
    }
}
