import Foundation
public import Logging

extension Logger {
    /// Says nothing.
    public static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// Says everything where `RECTIFID_TEST_LOG` is set, or else nothing.
    public static let tests: Logger = {
        guard ProcessInfo.processInfo.environment["RECTIFID_TEST_LOG"] != nil else { return silent }
        var logger = Logger(label: "test")
        logger.logLevel = .debug
        return logger
    }()
}
