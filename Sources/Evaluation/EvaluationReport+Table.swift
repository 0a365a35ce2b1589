import Foundation

extension EvaluationReport {
    /// The report for people: what was made, a table of figures, prompts, goals and cost.
    public var table: String {
        [heading, figuresTable, promptsTable, autoencoderLine, goalsTable, costLine].compactMap(\.self)
            .joined(separator: "\n\n") + "\n"
    }

    private var heading: String {
        let settings = settings
        let gain = settings.gain.split(separator: ",").joined(separator: " ")
        return """
            \(model.id) \(model.hash.prefix(12)): \(count(people.count, "person", "people")) x \
            \(count(prompts.count, "prompt")) x \(count(seeds.count, "seed")), \(settings.width) x \(settings.height) pixels
            \(settings.flow) flow, \(settings.steps) steps, cfg \(settings.cfg); guidance of \
            \(settings.iterations) iterations, rate \(settings.rate), gain \(gain)
            """ + effort + (isComplete ? "" : "\nSTOPPED: \(pictures.count) of \(planned) pictures")
    }

    private var effort: String {
        (settings.effort ?? [:]).sorted { $0.key < $1.key }.map { ", \($0.key) \($0.value)" }.joined()
    }

    /// Rows of the figures: mean, worst and the seeds' range, unguided and guided.
    private var figuresTable: String? {
        guard !pictures.isEmpty else { return nil }
        let isGuided = figures.keys.contains { $0.hasPrefix("guided.") }
        let arms = isGuided ? [false, true] : [false]
        var table = TextTable()
        table.add([""] + arms.flatMap { [$0 ? "guided" : "unguided", "worst", "seeds"] })
        for figure in Figure.all(attributes: attributes) {
            let statistics = arms.map { figures[EvaluationReport.name(figure, isGuided: $0)] }
            guard statistics.contains(where: { $0 != nil }) else { continue }
            table.add([label(figure)] + statistics.flatMap { cells($0, figure) })
        }
        var text = table.text
        let unread = Set(prompts.flatMap(\.asked.keys)).subtracting(attributes).sorted()
        if !unread.isEmpty { text += "\n\nasked for but not read by a classifier: \(unread.joined(separator: ", "))" }
        return text
    }

    private var promptsTable: String? {
        guard prompts.count > 1, byPrompt.contains(where: { !$0.isEmpty }) else { return nil }
        let columns = [.own, .judge] + attributes.map(Figure.asked)
        let used = columns.filter { figure in byPrompt.contains { $0[figure.name] != nil } }
        var table = TextTable()
        table.add(["guided, by prompt"] + used.map { short($0) })
        for (prompt, figures) in zip(prompts, byPrompt) {
            table.add(
                [prompt.text] + used.map { figure in figures[figure.name].map { number($0.mean, figure) } ?? "-" })
        }
        return table.text
    }

    private var autoencoderLine: String? {
        guard let psnr = figures[EvaluationReport.psnr] else { return nil }
        var text = String(format: "autoencoder: %.1f dB, worst %.1f", psnr.mean, psnr.worst)
        if let judge = figures[EvaluationReport.throughAutoencoder] {
            text += String(format: "; judge's cosine through it %.3f, worst %.3f", judge.mean, judge.worst)
        }
        return text + ", over \(count(references.count, "reference"))"
    }

    private var goalsTable: String? {
        guard !goals.isEmpty else { return nil }
        var table = TextTable()
        table.add(["goals", "", "", ""])
        for goal in goals {
            let bounds = [goal.atLeast.map { "at least \($0)" }, goal.atMost.map { "at most \($0)" }]
            table.add([
                goal.figure, bounds.compactMap(\.self).joined(separator: ", "),
                goal.measured.map { String(format: "%.3f", $0) } ?? "not measured", goal.isMet ? "met" : "MISSED",
            ])
        }
        return table.text
    }

    private var costLine: String {
        var text = String(
            format: "%d pictures in %.0f s (%.0f s of processor)", pictures.count, cost.seconds, cost.processorSeconds)
        text += ", \(cost.atOnce) at once with \(count(cost.threads, "thread")) each"
        if let bytes = cost.peakBytes { text += String(format: ", %.0f MB at most", Double(bytes) / 1e6) }
        let lost = pictures.filter { $0.failure != nil }.count
        return lost == 0 ? text : text + "; \(lost) lost their face in the making"
    }

    private func label(_ figure: Figure) -> String {
        switch figure {
        case .own: "own cosine"
        case .judge: "judge's cosine"
        case .gap: "own less judge"
        case .firstChoice: "judge's first choice of \(references.count)"
        case .face: "face found"
        case .asked(let attribute): "\(attribute) as asked"
        case .kept(let attribute): "\(attribute) kept"
        case .iterations: "iterations made"
        case .operations: "GFLOP a picture"
        case .seconds: "seconds a picture"
        }
    }

    private func short(_ figure: Figure) -> String {
        if case .asked(let attribute) = figure { attribute } else { figure.name }
    }

    private func cells(_ statistic: Statistic?, _ figure: Figure) -> [String] {
        guard let statistic else { return ["-", "-", "-"] }
        let range = statistic.range
        let seeds =
            statistic.seeds.count > 1
            ? "\(number(range.lowerBound, figure)) .. \(number(range.upperBound, figure))" : "-"
        return [number(statistic.mean, figure), number(statistic.worst, figure), seeds]
    }

    private func number(_ value: Double, _ figure: Figure) -> String {
        switch figure {
        case .seconds: String(format: "%.2f", value)
        case .iterations, .operations: String(format: "%.1f", value)
        default: String(format: "%.3f", value)
        }
    }

    private func count(_ number: Int, _ singular: String, _ plural: String? = nil) -> String {
        "\(number) \(number == 1 ? singular : plural ?? singular + "s")"
    }
}
