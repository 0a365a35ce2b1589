import ArgumentParser
import Foundation

/// Options that may come from the environment instead: `--amqp-url` from `RECTIFID_AMQP_URL`.
///
/// What stands on the command line wins. An empty variable is as good as none, since that is how container files leave
/// one out.
enum EnvironmentValue {
    /// The variable of an option, given without its dashes.
    static func name(_ option: String) -> String {
        "RECTIFID_" + option.uppercased().replacing("-", with: "_")
    }

    private static func text(_ option: String) -> String? {
        ProcessInfo.processInfo.environment[name(option)].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// What was given, or else what the environment says.
    /// - Throws: `ValidationError` for a variable that is not a value.
    static func value<Value: ExpressibleByArgument>(_ given: Value?, _ option: String) throws -> Value? {
        guard given == nil, let text = text(option) else { return given }
        guard let value = Value(argument: text) else {
            throw ValidationError("\(name(option)) is '\(text)', which is no value for --\(option)")
        }
        return value
    }

    /// Whether a flag was given, or the environment says 1, true or yes.
    /// - Throws: `ValidationError` for a variable that is neither these nor 0, false or no.
    static func flag(_ given: Bool, _ option: String) throws -> Bool {
        guard !given, let text = text(option) else { return given }
        switch text.lowercased() {
        case "1", "true", "yes": return true
        case "0", "false", "no": return false
        default: throw ValidationError("\(name(option)) is '\(text)'; say 1 or 0")
        }
    }

    /// What was given, or else the variable's parts between commas.
    static func list(_ given: [String], _ option: String) -> [String] {
        guard given.isEmpty, let text = text(option) else { return given }
        return text.split(separator: ",").map { String($0) }
    }
}
