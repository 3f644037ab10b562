"""Sentences of the pipeline in Chinese. They come with their values filled in, so they are known by their form.

A value is said in Chinese too where it is one of these or of the page's words; of two forms that fit, the earlier is
taken.
"""

# ruff: noqa: E501  (a sentence a line)

CHINESE_TOLD = {
    # Files that are not read, or not to their end
    "This file could not be read as a video, a sound or a picture.": "这个文件无法作为视频、声音或图片读取。",
    "This file is empty.": "这个文件是空的。",
    "This file has neither sound nor moving pictures.": "这个文件既没有声音也没有画面。",
    "Nothing in this file could be decoded.": "这个文件中没有任何内容可以解码。",
    "There is no such file.": "没有这个文件。",
    "This is not a file.": "这不是文件。",
    "This file is not a picture.": "这个文件不是图片。",
    "This picture is damaged.": "这张图片已损坏。",
    "This file has more than {size} MB, which is too large.": "这个文件超过 {size} MB，太大了。",
    "This file's pictures have {size} pixels; at most {most} are read.": "这个文件的画面有 {size} 像素；最多读取 {most}。",
    "This picture has more than {size} pixels, which is too many.": "这张图片超过 {size} 像素，太大了。",
    "This video has more than {rate} pictures a second, which is too many.": "这段视频每秒超过 {rate} 帧，太多了。",
    "This video has too many pictures, so its last part was heard only.": "这段视频的画面太多，最后一部分只听了声音。",
    "Only the first {time} were read; the rest was skipped.": "只读取了前{time}，其余部分已略过。",
    "Parts of this file are damaged; what could be decoded was read.": "这个文件部分损坏；已读取能够解码的内容。",
    "This file takes too long to decode.": "解码这个文件所需的时间太长。",
    "The file took too long to decode, so the rest of it was skipped.": "解码这个文件所需的时间太长，其余部分已略过。",
    "Decoding this file takes more memory than a file may have.": "解码这个文件所需的内存超过了单个文件的上限。",
    "Decoding the rest of this file takes more memory than a file may have, so it was skipped.": "解码其余部分所需的内存超过了单个文件的上限，因此已略过。",
    "This file is damaged in a way that ends its decoder.": "这个文件已损坏，解码器因此终止。",
    "This file is damaged in a way that ended its decoder, so the rest of it was skipped.": "这个文件已损坏，解码器因此终止，其余部分已略过。",
    "The {what} in this file come in a form that is not read.": "无法读取这个文件中{what}的格式。",
    "pictures": "画面",
    "sounds": "声音",
    "{n} minutes": "{n} 分钟",
    "{n} seconds": "{n} 秒",
    # Words
    "Whisper's weights could not be fetched": "无法下载 Whisper 的权重",
    "Whisper's weights could not be loaded": "无法载入 Whisper 的权重",
    "Whisper's weights are still being fetched": "Whisper 的权重仍在下载",
    "Whisper's weights could not be fetched.": "无法下载 Whisper 的权重。",
    "Whisper's weights could not be loaded.": "无法载入 Whisper 的权重。",
    "Whisper's weights are still being fetched.": "Whisper 的权重仍在下载。",
    "PocketSphinx could not be loaded": "无法载入 PocketSphinx",
    "PocketSphinx could not be loaded.": "无法载入 PocketSphinx。",
    "PocketSphinx knows English only": "PocketSphinx 只懂英语",
    "PocketSphinx knows English only.": "PocketSphinx 只懂英语。",
    "Whisper transcribes": "由 Whisper 听写",
    "PocketSphinx transcribes, roughly": "由 PocketSphinx 粗略听写",
    "there are no words": "没有文字",
    "No way to transcribe is at hand.": "没有可用的听写方式。",
    "The language can be one of {names}.": "语言可以是：{names}。",
    "The words can come from {names}, or a subtitle file ({endings}).": "文字可以来自：{names}，或字幕文件（{endings}）。",
    "The subtitle file cannot be read.": "字幕文件无法读取。",
    "The subtitle file is too large: at most {size} MB are read.": "字幕文件太大：最多读取 {size} MB。",
    "The subtitles have too many cues: at most {count} are read.": "字幕条数太多：最多读取 {count} 条。",
    "No subtitles were found in it: they need lines such as {example}.": "其中没有发现字幕：需要类似 {example} 的行。",
    "The text is too long: at most {count} characters are read.": "文字太长：最多读取 {count} 个字符。",
    "The typed text is too long: at most {count} characters, or else subtitles.": "输入的文字太长：最多 {count} 个字符，否则请使用字幕。",
    "That is too much for one utterance: a transcript may have at most {count} characters.": "对一句话来说太长了：文字最多 {count} 个字符。",
    # Results
    "This result is no longer here: it was kept for {time} and then deleted. Please read the clip again.": "这个结果已不在这里：保存{time}后已删除。请重新读取视频。",
    "This result cannot be opened again: its file is damaged. Please read the clip again.": "这个结果无法再次打开：文件已损坏。请重新读取视频。",
    "This result is too large to be kept for a link. Its files can still be downloaded.": "这个结果太大，无法为链接保存。文件仍可下载。",
    "1 hour": " 1 小时",
    "{n} hours": " {n} 小时",
    "1 minute": " 1 分钟",
    "Drawing the video took too long, so it was given up; a shorter clip will work.": "绘制视频的时间太长，已放弃；较短的视频可以。",
    "There is neither a picture nor a sound in this clip that could be drawn.": "这段视频既没有可绘制的画面，也没有声音。",
    "None of the models here can be used.": "这里没有可用的模型。",
    # Who transcribes in whose place: the loosest forms come last
    "{one} and {other}, so {instead}.": "{one}，且{other}，因此{instead}。",
    "{problem}, so {instead}.": "{problem}，因此{instead}。",
}
