public import Messages

/// New values for fields of a request, as an operator writes them: `seed=7`, `references[0].label=a corgi`.
///
/// Names are those of the `.proto` file. An empty value takes a field back to what it is where a client leaves it out.
/// Fields that a newer client wrote and this version does not know are lost by an edit.
public struct DeadLetterEdit: Sendable, Equatable {
    /// What an edit does to one field.
    public struct Change: Sendable, Equatable {
        public let field: String
        /// As an operator would write them; empty where the field is not set.
        public let before, after: String
    }

    /// In the order given; of two for one field the later counts.
    public let assignments: [Assignment]

    public struct Assignment: Sendable, Equatable {
        public let field, value: String
    }

    /// - Parameter texts: `name=value` each.
    /// - Throws: `MessageError` for a text without `=` and for a name that no request has.
    public init(_ texts: [String]) throws(MessageError) {
        var assignments: [Assignment] = []
        for text in texts {
            guard let equals = text.firstIndex(of: "=") else {
                throw MessageError(
                    kind: .invalidField, field: String(text.prefix(100)), problem: "has no value",
                    allowed: "name=value, such as seed=7")
            }
            let name = String(text[..<equals])
            guard RequestField(name) != nil else {
                throw MessageError(
                    kind: .invalidField, field: String(name.prefix(100)), problem: "cannot be edited",
                    allowed: RequestField.names.joined(separator: ", "))
            }
            assignments.append(Assignment(field: name, value: String(text[text.index(after: equals)...])))
        }
        self.assignments = assignments
    }

    /// The request with the new values, and what changed.
    ///
    /// - Throws: `MessageError` that names the field, for a value that is none and for a request that the worker would
    ///   refuse.
    public func apply(
        to original: PersonalizeRequest
    ) throws(MessageError) -> (request: PersonalizeRequest, changes: [Change]) {
        var request = original
        for assignment in assignments {
            guard let field = RequestField(assignment.field) else { continue }
            try field.set(assignment.value, in: &request)
        }
        var changes: [Change] = []
        var seen: Set<String> = []
        for name in assignments.map(\.field) where seen.insert(name).inserted {
            guard let field = RequestField(name) else { continue }
            let (before, after) = (field.text(in: original), field.text(in: request))
            if before != after { changes.append(Change(field: name, before: before, after: after)) }
        }
        if let state = original.resume {
            request.resume = nil
            changes.append(Change(field: "resume", before: "at iteration \(state.nextIteration)", after: ""))
        }
        try request.validate()
        return (request, changes)
    }
}
