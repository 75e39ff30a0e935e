"""A model's process that keeps everything as soon as there is a moment."""

from med42_chat.runtime import strands, worker

if __name__ == "__main__":
    strands._BYTES_PER_IDLE_S = 1 << 50
    worker.main()
