import Flow
public import Raster

extension PictureMetadata {
    /// What a picture was made from, in the words of the command line, so that it can be made again.
    public init(of run: GenerationRun, _ request: GenerationRequest, model: Model) {
        let settings = run.settings
        self = [
            "Software": "rectifid",
            "model": model.id,
            "model-hash": model.hash,
            "prompt": request.prompt,
            "negative": request.negativePrompt,
            "seed": "\(request.seed)",
            "size": "\(settings.width)x\(settings.height)",
            "steps": "\(settings.steps)",
            "iterations": "\(settings.iterations)",
            "rate": "\(settings.rate)",
            "gain": "\(settings.gain)",
            "cfg": "\(settings.cfgScale)",
            "flow": settings.flow.rawValue,
            "similarity": "\(run.similarities.last ?? 0)",
        ]
        for (name, value) in settings.effort.words { self[name] = value }
    }
}
