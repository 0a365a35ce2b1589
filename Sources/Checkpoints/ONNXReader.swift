import CBoundedProtobuf
import COnnx
import Tensors

extension ONNXGraph {
    /// Reads an ONNX file.
    ///
    /// - Throws: ``ONNXError`` where the file cannot be opened, is larger than the limits, or is malformed.
    public init(file path: String, limits: ONNXLimits = .standard) throws(ONNXError) {
        let file: MappedFile
        do {
            file = try MappedFile(path)
        } catch {
            throw ONNXError(.unreadable, path, "\(error)")
        }
        guard file.byteCount <= limits.maximumBytes else {
            throw ONNXError(.tooLarge, path, "\(file.byteCount) bytes; at most \(limits.maximumBytes) are read")
        }
        // The bytes are read while `self.init` runs, and not after.
        defer { withExtendedLifetime(file) {} }
        try self.init(memory: file.bytes, place: path, limits: limits)
    }

    /// Reads an ONNX file that is in memory.
    ///
    /// - Throws: ``ONNXError`` where it is larger than the limits, or malformed.
    public init(bytes: [UInt8], limits: ONNXLimits = .standard) throws(ONNXError) {
        guard bytes.count <= limits.maximumBytes else {
            throw ONNXError(.tooLarge, "file", "\(bytes.count) bytes; at most \(limits.maximumBytes) are read")
        }
        // Typed throws do not pass through this rethrowing method, results do.
        let result = bytes.withUnsafeBytes { memory in
            Result { () throws(ONNXError) in try ONNXGraph(memory: memory, place: "file", limits: limits) }
        }
        self = try result.get()
    }

    private init(memory: UnsafeRawBufferPointer, place: String, limits: ONNXLimits) throws(ONNXError) {
        guard let allocator = bounded_allocator_create(limits.parserBytes(forFile: memory.count)) else {
            throw ONNXError(.tooLarge, place, "no memory for a parser")
        }
        // Frees the message as well, whatever state it is in.
        defer { bounded_allocator_destroy(allocator) }
        let data = memory.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard let model = onnx__model_proto__unpack(bounded_allocator_protobuf(allocator), memory.count, data) else {
            if bounded_allocator_refused(allocator) {
                throw ONNXError(.tooLarge, place, "its structure needs more memory than its size allows for")
            }
            throw ONNXError(.malformed, place, "not an ONNX file, or a damaged one")
        }
        guard let graph = model.pointee.graph else { throw ONNXError(.malformed, place, "the file holds no graph") }
        var reader = ONNXReader(allocator: allocator, integersLeft: limits.maximumIntegers)
        self = try reader.graph(graph.pointee, model: model.pointee, place: place)
    }
}

/// Turns parsed messages into values, checking all that the parser does not.
struct ONNXReader {
    /// Owns the messages.
    let allocator: OpaquePointer
    /// How many more integers may be kept.
    var integersLeft: Int

    mutating func graph(
        _ message: Onnx__GraphProto, model: Onnx__ModelProto, place: String
    ) throws(ONNXError) -> ONNXGraph {
        var initializers: [String: ONNXTensor] = [:]
        for case let tensor? in unsafeList(message.initializer, message.n_initializer) {
            let name = try text(tensor.pointee.name, "name of an initializer")
            let value = try self.tensor(tensor.pointee, place: "initializer \(name)")
            guard initializers.updateValue(value, forKey: name) == nil else {
                throw ONNXError(.malformed, "initializer \(name)", "the name occurs twice")
            }
            release(tensor)
        }
        var nodes: [ONNXNode] = []
        for case let node? in unsafeList(message.node, message.n_node) { nodes.append(try self.node(node.pointee)) }
        var inputs: [ONNXInput] = []
        for case let input? in unsafeList(message.input, message.n_input) {
            let name = try text(input.pointee.name, "name of an input")
            if initializers[name] == nil {
                inputs.append(ONNXInput(name: name, extents: try extents(of: input.pointee, place: "input \(name)")))
            }
        }
        var outputs: [String] = []
        for case let output? in unsafeList(message.output, message.n_output) {
            outputs.append(try text(output.pointee.name, "name of an output"))
        }
        guard !outputs.isEmpty, !nodes.isEmpty else { throw ONNXError(.malformed, place, "the graph computes nothing") }
        return ONNXGraph(
            nodes: nodes, initializers: initializers, inputs: inputs, outputs: outputs,
            opset: try opset(of: model, place),
            producer: try text(model.producer_name, "producer name"))
    }

    /// Gives an initializer's bytes back as soon as they are copied: a file of weights is then in memory once, not twice.
    private func release(_ tensor: UnsafeMutablePointer<Onnx__TensorProto>) {
        let protobuf = bounded_allocator_protobuf(allocator)
        if tensor.pointee.has_raw_data != 0, let data = tensor.pointee.raw_data.data {
            protobuf?.pointee.free(protobuf?.pointee.allocator_data, data)
            tensor.pointee.raw_data = ProtobufCBinaryData()
            tensor.pointee.has_raw_data = 0
        }
        if let data = tensor.pointee.float_data {
            protobuf?.pointee.free(protobuf?.pointee.allocator_data, data)
            tensor.pointee.float_data = nil
            tensor.pointee.n_float_data = 0
        }
    }

    private func opset(of model: Onnx__ModelProto, _ place: String) throws(ONNXError) -> Int {
        for case let set? in unsafeList(model.opset_import, model.n_opset_import) {
            let domain = try text(set.pointee.domain, "domain of an operator set")
            if domain.isEmpty || domain == "ai.onnx" { return Int(set.pointee.version) }
        }
        throw ONNXError(.malformed, place, "the file does not say which version of ONNX's operators it uses")
    }

    private func extents(of value: Onnx__ValueInfoProto, place: String) throws(ONNXError) -> [Int?]? {
        guard let type = value.type else { return nil }
        guard let tensor = type.pointee.tensor_type else {
            throw ONNXError(.unsupported, place, "only tensors are supported as inputs")
        }
        guard let shape = tensor.pointee.shape else { return nil }
        var extents: [Int?] = []
        for case let dimension? in unsafeList(shape.pointee.dim, shape.pointee.n_dim) {
            let extent = Int(dimension.pointee.dim_value)
            // Files write 0 or -1 as well where they mean "any".
            extents.append(dimension.pointee.has_dim_value != 0 && extent > 0 ? extent : nil)
        }
        return extents
    }

    private mutating func node(_ message: Onnx__NodeProto) throws(ONNXError) -> ONNXNode {
        let operation = try text(message.op_type, "operator of a node")
        let name = try text(message.name, "name of a node")
        var inputs: [String] = []
        for input in unsafeList(message.input, message.n_input) { inputs.append(try text(input, "input of \(name)")) }
        var outputs: [String] = []
        for output in unsafeList(message.output, message.n_output) {
            outputs.append(try text(output, "output of \(name)"))
        }
        var attributes: [String: ONNXAttribute] = [:]
        for case let attribute? in unsafeList(message.attribute, message.n_attribute) {
            let key = try text(attribute.pointee.name, "attribute of \(name)")
            attributes[key] = try self.attribute(
                attribute.pointee, place: "attribute \(key) of node \(name) (\(operation))")
        }
        let domain = try text(message.domain, "domain of \(name)")
        return ONNXNode(
            operation: operation, domain: domain == "ai.onnx" ? "" : domain, name: name, inputs: inputs,
            outputs: outputs,
            attributes: attributes)
    }

    private mutating func attribute(_ message: Onnx__AttributeProto, place: String) throws(ONNXError) -> ONNXAttribute {
        // The first version of the format had no type field.
        switch message.has_type != 0 ? Int(message.type) : guessedType(message) {
        case 1: return .number(message.f)
        case 2: return .integer(Int(message.i))
        case 3: return .text(try text(message.s, place))
        case 4:
            guard let tensor = message.t else { throw ONNXError(.malformed, place, "the tensor is missing") }
            return .tensor(try self.tensor(tensor.pointee, place: place))
        case 6: return .numbers(unsafeList(message.floats, message.n_floats))
        case 7:
            let integers = unsafeList(message.ints, message.n_ints).map { Int($0) }
            try count(integers.count, place)
            return .integers(integers)
        case 8:
            var texts: [String] = []
            for bytes in unsafeList(message.strings, message.n_strings) { texts.append(try text(bytes, place)) }
            return .texts(texts)
        case let other: return .other(type: other)
        }
    }

    private func guessedType(_ message: Onnx__AttributeProto) -> Int {
        if message.has_f != 0 { return 1 }
        if message.has_i != 0 { return 2 }
        if message.has_s != 0 { return 3 }
        if message.t != nil { return 4 }
        if message.n_floats > 0 { return 6 }
        if message.n_ints > 0 { return 7 }
        return message.n_strings > 0 ? 8 : 0
    }

    mutating func count(_ integers: Int, _ place: String) throws(ONNXError) {
        guard integers <= integersLeft else {
            throw ONNXError(
                .tooLarge, place, "too many integers; integer weights of quantised networks are not supported")
        }
        integersLeft -= integers
    }

    /// The parser accepts any bytes as text.
    private func text(_ pointer: UnsafeMutablePointer<CChar>?, _ place: String) throws(ONNXError) -> String {
        guard let pointer else { return "" }
        guard let text = String(validatingCString: pointer) else {
            throw ONNXError(.malformed, place, "the text is not UTF-8")
        }
        return text
    }

    private func text(_ bytes: ProtobufCBinaryData, _ place: String) throws(ONNXError) -> String {
        guard let text = String(validating: UnsafeBufferPointer(start: bytes.data, count: bytes.len), as: UTF8.self)
        else {
            throw ONNXError(.malformed, place, "the text is not UTF-8")
        }
        return text
    }

    /// A counted list of a message as an array.
    func unsafeList<Element>(_ start: UnsafeMutablePointer<Element>?, _ count: Int) -> [Element] {
        Array(UnsafeBufferPointer(start: count > 0 ? start : nil, count: start == nil ? 0 : count))
    }
}
